"""Table 1: the data sets and how long their texts are."""

from typing import ClassVar

from pydantic import field_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import Experiment
from tcstudy.value import Count, NonEmpty


class Datasets(Experiment):
    """Statistics of data sets, computed with an encoder's tokenizer.

    Attributes:
        datasets: names of the catalogue.
        limit: wordpieces above which a text counts as long; the paper's 512.
    """

    page: ClassVar = "datasets"

    datasets: NonEmpty[str]
    limit: Count = 512

    def texts(self) -> tuple[str, ...]:
        """All of them: the page counts what is in them."""
        return self.datasets

    @field_validator("datasets")
    @classmethod
    def _exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            dataset_facts(name)
        return names
