"""The experiments: what the parameters of each page are, and which runs they make.

An experiment has one name in four places: `book/<name>.md`, `params/<profile>/<name>.yaml`,
`tcstudy/experiments/<name>.py` and `tests/experiments/test_<name>.py`. Pages that train nothing share the module
`without_runs`.
"""

from tcstudy.errors import StudyError, nearest
from tcstudy.experiments.bag_of_words import BagOfWords
from tcstudy.experiments.base import Experiment
from tcstudy.experiments.base_rate import BaseRate
from tcstudy.experiments.comparison import Comparison
from tcstudy.experiments.datasets import Datasets
from tcstudy.experiments.domains import Domains
from tcstudy.experiments.encoder import Encoder
from tcstudy.experiments.encoders import Encoders
from tcstudy.experiments.few_shot import FewShot
from tcstudy.experiments.forgetting import Forgetting
from tcstudy.experiments.hard_documents import HardDocuments
from tcstudy.experiments.larger_encoder import LargerEncoder
from tcstudy.experiments.layer_decay import LayerDecay
from tcstudy.experiments.layers import Layers
from tcstudy.experiments.long_texts import LongTexts
from tcstudy.experiments.multitask import Multitask
from tcstudy.experiments.released_protocol import ReleasedProtocol
from tcstudy.experiments.within_task import WithinTask
from tcstudy.experiments.without_runs import (
    Cost,
    Deviations,
    Evidence,
    Explore,
    Index,
    Speed,
    Status,
    Verdicts,
)

EXPERIMENTS: dict[str, type[Experiment]] = {
    experiment.page: experiment
    for experiment in (
        Datasets,
        Encoder,
        BaseRate,
        LongTexts,
        Layers,
        Forgetting,
        LayerDecay,
        WithinTask,
        Domains,
        Comparison,
        Multitask,
        FewShot,
        LargerEncoder,
        Encoders,
        BagOfWords,
        ReleasedProtocol,
        HardDocuments,
        Verdicts,
        Evidence,
        Cost,
        Explore,
        Deviations,
        Status,
        Speed,
        Index,
    )
}


def experiment_for(page: str) -> type[Experiment]:
    """The experiment of the page `page`.

    Raises:
        StudyError: there is no such page.
    """
    if page not in EXPERIMENTS:
        raise StudyError(f"there is no page '{page}'; {nearest(page, EXPERIMENTS)}")
    return EXPERIMENTS[page]
