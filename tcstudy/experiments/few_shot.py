"""Figure 4: what is further pre-training worth when few documents are labelled?"""

import math
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.errors import StudyError
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import DataSpec, RunSpec
from tcstudy.value import Count, Natural, NonEmpty, Number, TupleOf

PLAIN = "BERT-FiT"
PRETRAINED = "BERT-ITPT-FiT"
CONTROL = "BERT-FiT after other text"

Fraction = Annotated[Number, Field(gt=0, le=1)]


def subset_name(fraction: float) -> str:
    """How tables and the paper's Figure 4 call a share of the training documents.

    >>> subset_name(0.004)
    '0.4% of the training data'
    """
    return f"{100 * fraction:g}% of the training data"


class FewShot(PretrainingExperiment):
    """Fine-tuning on subsets of the training documents, with and without further pre-training on all their texts.

    Attributes:
        fractions: shares of the training documents that are labelled, smallest first.
        labelled: the same as numbers of documents; one of the two is given.
        draws: one sample of the labelled documents, and of the validation documents, for each.
        least_updates: where few documents would give fewer, epochs are added until there are so many.
        control: whether the encoder is also further pre-trained on text that is not about the task, for as many steps:
            that of the page's first data set of another kind.
    """

    page: ClassVar = "few_shot"

    fractions: TupleOf[Fraction] = ()
    labelled: TupleOf[Count] = ()
    draws: NonEmpty[Natural] = (0,)
    least_updates: Count = 1
    control: bool = False

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, share, encoder, draw and seed.

        Raises:
            StudyError: shares and numbers of documents are given, or none of them; a control is asked for, but no data
                set of another kind is there.
        """
        if bool(self.fractions) == bool(self.labelled):
            raise StudyError("fractions and labelled: give one of them, shares or numbers of documents")
        if self.draw == "seed":
            return self.grid(self.variants)
        runs = {}
        for draw in self.draws:
            runs |= self.grid(partial(self.variants, draw=draw))
        return runs

    def variants(self, data: DataSpec, seed: int, draw: int | None = None) -> dict[str, dict[str, Any]]:
        """What each share and encoder changes in a run on `data` with `seed`."""
        encoders = {PLAIN: self.encoder_for(data.name), PRETRAINED: self.pretrained_on([data.name], seed=seed)}
        if self.control:
            encoders[CONTROL] = self.pretrained_on([self.other_text(data)], seed=seed)
        common = {} if draw is None else {"data.draw": draw}
        return {
            f"{method}, {name}": common
            | {"encoder": encoder, "data.train": documents, "training.epochs": self.epochs(data, documents)}
            for name, documents in self.subsets(data).items()
            for method, encoder in encoders.items()
        }

    def subsets(self, data: DataSpec) -> dict[str, int | None]:
        """The numbers of labelled documents by their names in tables; None is all there are."""
        shares = {subset_name(fraction): self.documents(data, fraction) for fraction in self.fractions}
        return shares | {f"{documents:,} labelled documents": documents for documents in self.labelled}

    def compared(self) -> dict[str, str]:
        """What each variant is compared with, at the same share: the task's own text with none, other text with it."""
        pairs = {PRETRAINED: PLAIN} | ({CONTROL: PRETRAINED} if self.control else {})
        return {
            f"{method}, {name}": f"{other}, {name}"
            for name in self.subsets(self.data[0])
            for method, other in pairs.items()
        }

    def other_text(self, data: DataSpec) -> str:
        """The data set whose text is the control for `data`: the first of the page of another kind.

        Raises:
            StudyError: there is none.
        """
        kind = dataset_facts(data.name).kind
        for other in self.data:
            if dataset_facts(other.name).kind != kind:
                return other.name
        raise StudyError(f"control: true needs a data set of another kind than {data.name} on the page, for its text")

    def documents(self, data: DataSpec, fraction: float) -> int | None:
        """How many documents a share is, at least one for each class; None for all there are."""
        facts = dataset_facts(data.name)
        if fraction == 1:
            return data.train
        return max(len(facts.classes), round(fraction * (data.train or facts.train)))

    def epochs(self, data: DataSpec, documents: int | None) -> int:
        """Passes over so many labelled documents: those of `training`, or more to reach `least_updates`."""
        documents = documents or dataset_facts(data.name).train
        return max(
            self.training.epochs, math.ceil(self.least_updates / math.ceil(documents / self.training.batch_size))
        )
