"""Table 5: is text of the same domain, or of any, as good for further pre-training as the task's own?"""

from collections.abc import Sequence
from typing import Any, ClassVar

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import DataSpec, RunSpec

PLAIN = "no further pre-training"
KINDS = ("sentiment", "question", "topic")


def corpora(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The corpora that can be made of data sets, called as in the rows of Table 5: each set, each kind, all.

    A kind with a single set is that set, and all sets of one kind are that kind: such a corpus has one name only.

    >>> list(corpora(["imdb", "trec", "yahoo_answers"]))
    ['imdb', 'trec', 'yahoo_answers', 'all question', 'all']
    """
    found: dict[str, tuple[str, ...]] = {}
    for kind in KINDS:
        members = tuple(name for name in names if dataset_facts(name).kind == kind)
        found |= {name: (name,) for name in members}
        if len(members) > 1:
            found[f"all {kind}"] = members
    return found if tuple(names) in found.values() else found | {"all": tuple(names)}


class Domains(PretrainingExperiment):
    """Further pre-training on every corpus, then fine-tuning on every data set."""

    page: ClassVar = "domains"

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, corpus and seed, and those without further pre-training."""
        return self.grid(self.variants)

    def variants(self, data: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
        """What each corpus changes in a run with `seed`."""
        encoders = {corpus: self.pretrained_on(names, seed=seed) for corpus, names in self.corpora().items()}
        return {corpus: {"encoder": encoder} for corpus, encoder in encoders.items()} | {PLAIN: {}}

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: no further pre-training."""
        return dict.fromkeys(self.corpora(), PLAIN)

    def corpora(self) -> dict[str, tuple[str, ...]]:
        """The data sets of each corpus, by its name in tables."""
        return corpora([data.name for data in self.data])
