"""Your own texts: what does a classifier get wrong, and does further pre-training on them pay?"""

import itertools
import math
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.errors import StudyError
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import AnyRun, BagOfWordsSpec, DataSpec, FeatureSpec, RunSpec
from tcstudy.value import Count, TupleOf

BAG_OF_WORDS = "bag of words"
FINE_TUNING = "fine-tuning"
PRETRAINED = "further pre-training, then fine-tuning"
METHODS = (BAG_OF_WORDS, FINE_TUNING, PRETRAINED)
"""From the cheapest to the dearest."""


class OwnTexts(PretrainingExperiment):
    """A bag of words, fine-tuning, and further pre-training on the texts before it, with all labels and with fewer.

    The run of each seed has training and validation documents of its own.

    Attributes:
        features: what the classifier reads of the encoder.
        labels: numbers of labelled documents to train on besides all of them, smallest first.
        least_updates: where few documents would give fewer, epochs are added until there are so many.
    """

    page: ClassVar = "own_texts"

    features: FeatureSpec = FeatureSpec()
    labels: TupleOf[Count] = ()
    draw: Literal["fixed", "seed"] = "seed"
    least_updates: Count = 40

    @field_validator("data")
    @classmethod
    def _is_one(cls, data: tuple[DataSpec, ...]) -> tuple[DataSpec, ...]:
        if len(data) > 1:
            raise StudyError(f"this page is about one data set, but {len(data)} are given")
        return data

    @property
    def documents(self) -> DataSpec:
        """The data set."""
        return self.data[0]

    def sizes(self) -> list[int]:
        """Numbers of labelled documents to train on, the largest last: all that are left beside validation."""
        data, facts = self.documents, dataset_facts(self.documents.name)
        whole = data.train or facts.train - self._validation(None)
        return [*sorted(size for size in set(self.labels) if size < whole), whole]

    def _validation(self, size: int | None) -> int:
        """Documents to choose an epoch by: whoever has few labels has few of these."""
        facts = dataset_facts(self.documents.name)
        whole = self.documents.validation or max(1, facts.train // 10)
        return whole if size is None else min(whole, max(len(facts.classes), size // 4))

    def runs(self) -> dict[RunKey, AnyRun]:
        """One run for each number of labels, method and seed."""
        return {
            key._replace(variant=variant_name(key.variant, size)): run
            for size in self.sizes()
            for key, run in self.runs_with(size).items()
        }

    def runs_with(self, size: int) -> dict[RunKey, AnyRun]:
        """The runs on `size` labelled documents, by method and seed."""
        whole = size == self.sizes()[-1]
        data = {
            "data.train": self.documents.train if whole else size,
            "data.validation": self.documents.validation if whole else self._validation(size),
        }
        updates = math.ceil(size / self.training.batch_size)
        epochs = max(self.training.epochs, math.ceil(self.least_updates / updates))
        plain = data | {"features": self.features, "training.epochs": epochs}

        def variants(of: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
            return {FINE_TUNING: plain, PRETRAINED: plain | {"encoder": self.pretrained_on([of.name], seed=seed)}}

        runs = self.grid(variants)
        bags = {
            key._replace(variant=BAG_OF_WORDS): BagOfWordsSpec(data=run.data, seed=run.seed)
            for key, run in runs.items()
            if key.variant == FINE_TUNING
        }
        return bags | runs

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: the next cheaper method with as many labels."""
        return {
            variant_name(method, size): variant_name(cheaper, size)
            for size in self.sizes()
            for cheaper, method in itertools.pairwise(METHODS)
        }

    def final(self, method: str) -> RunSpec:
        """The recipe of a method with an encoder, as it is trained on all labelled documents once it was chosen."""
        runs = self.runs_with(self.sizes()[-1])
        return next(run for key, run in runs.items() if key.variant == method and isinstance(run, RunSpec))


def variant_name(method: str, size: int) -> str:
    """How tables call a method with a number of labels.

    >>> variant_name("fine-tuning", 1000)
    'fine-tuning, 1,000 labels'
    """
    return f"{method}, {size:,} labels"
