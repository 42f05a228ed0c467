"""The experiments: what the parameters of each page are, and which runs they make.

An experiment has one name in four places: `book/<name>.md`, `params/<profile>/<name>.yaml`,
`tcstudy/experiments/<name>.py` and `tests/experiments/test_<name>.py`.
"""

from tcstudy.errors import StudyError, nearest
from tcstudy.experiments.base import Experiment
from tcstudy.experiments.datasets import Datasets
from tcstudy.experiments.layer_decay import LayerDecay
from tcstudy.experiments.layers import Layers
from tcstudy.experiments.long_texts import LongTexts

EXPERIMENTS: dict[str, type[Experiment]] = {
    experiment.page: experiment for experiment in (Datasets, LongTexts, Layers, LayerDecay)
}


def experiment_for(page: str) -> type[Experiment]:
    """The experiment of the page `page`.

    Raises:
        StudyError: there is no such page.
    """
    if page not in EXPERIMENTS:
        raise StudyError(f"there is no page '{page}'; {nearest(page, EXPERIMENTS)}")
    return EXPERIMENTS[page]
