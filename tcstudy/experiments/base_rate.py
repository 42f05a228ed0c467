"""Which base learning rate suits an encoder? Not in the paper, whose rate is BERT-base's."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from tcstudy.errors import StudyError
from tcstudy.experiments.base import Experiment, FineTuningExperiment, RunKey, rate_text
from tcstudy.experiments.layer_decay import LayerDecay
from tcstudy.spec import Optimizer, RunSpec
from tcstudy.value import Positive, TupleOf

Rates = TupleOf[Positive]


def rate_name(rate: float) -> str:
    """How tables call a learning rate.

    >>> rate_name(2e-5), rate_name(0.000125)
    ('lr 2e-5', 'lr 1.25e-4')
    """
    return f"lr {rate_text(rate)}"


class RateSearch(FineTuningExperiment):
    """Plain fine-tuning at several rates, of which the one with the lowest validation error is chosen.

    Attributes:
        learning_rates: rates to choose from; they stand for `training.learning_rate`.
    """

    learning_rates: Annotated[Rates, Field(min_length=1)]

    @model_validator(mode="after")
    def _is_chosen_on_validation(self) -> Self:
        if self.protocol.selection != "validation":
            raise StudyError(
                "protocol: a rate is chosen on the validation split here, so `selection` must be validation"
            )
        return self


class BaseRate(RateSearch):
    """The rate with the lowest validation error becomes the profile's base rate.

    Attributes:
        optimizers: each is run at every rate, to have a base rate of its own; none is that of `protocol` alone.
    """

    page: ClassVar = "base_rate"

    optimizers: TupleOf[Optimizer] = ()

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, optimiser, rate and seed."""
        own = self.protocol.optimizer
        return self.grid(
            {
                rate_name(rate) + (f" {optimizer}" if optimizer != own else ""): {
                    "training.learning_rate": rate,
                    "protocol.optimizer": optimizer,
                }
                for optimizer in dict.fromkeys(self.optimizers or (own,))
                for rate in self.learning_rates
            }
        )

    def rates_of(self, pages: Iterable[Experiment]) -> dict[str, float]:
        """The base rate that each of `pages` fine-tunes the same encoder at, by page; others are left out."""
        rates = {page.page: base_rate_of(page) for page in pages if page.encoder == self.encoder}
        return {page: rate for page, rate in rates.items() if rate is not None}


def base_rate_of(page: Experiment) -> float | None:
    """The base rate that a page was given; None for one that trains nothing or compares rates far apart.

    Layer-wise decay is compared at two rates close together, of which the lower is the base rate, as in Table 4.
    """
    if isinstance(page, LayerDecay):
        return min(page.learning_rates)
    if not isinstance(page, FineTuningExperiment) or "learning_rates" in type(page).model_fields:
        return None
    return page.training.learning_rate
