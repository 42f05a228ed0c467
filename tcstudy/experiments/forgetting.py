"""Figure 2: at which learning rates does fine-tuning forget what was learnt before, and at which does it fail?"""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from tcstudy.errors import StudyError
from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.experiments.base_rate import Rates, rate_name
from tcstudy.spec import EncoderSpec, PretrainingRecipe, PretrainingSpec, RunSpec, TextSpec
from tcstudy.value import Count

WITHOUT = " without bias correction"


class Forgetting(FineTuningExperiment):
    """Learning curves at every rate, and the loss of the encoder's MLM head before and after fine-tuning.

    Attributes:
        learning_rates: rates of Figure 2; they stand for `training.learning_rate`.
        without_bias_correction: rates at which AdamW runs without bias correction, too; may be empty.
        every: updates between two points of a learning curve.
        general_text: a data set that stands for general language; the loss is taken on its test texts.
        heads: how an encoder that was published without MLM head gets one, on the training texts of the set of
            `general_text`: by further pre-training in which the encoder is frozen; None for one that has its head.
    """

    page: ClassVar = "forgetting"

    learning_rates: Annotated[Rates, Field(min_length=1)]
    without_bias_correction: Rates = ()
    every: Count
    general_text: TextSpec
    heads: PretrainingRecipe | None = None

    @field_validator("heads")
    @classmethod
    def _only_heads_are_trained(cls, heads: PretrainingRecipe | None) -> PretrainingRecipe | None:
        if heads is not None and not (heads.frozen and heads.mlm):
            raise StudyError("only the MLM head is to be trained here: `frozen` and `mlm` must be true")
        return heads

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, rate and seed, with and without bias correction."""
        common = {
            "encoder": self.encoder_with_heads(),
            "measures.every": self.every,
            "measures.general_text": self.general_text,
        }
        without = {"protocol.optimizer": "adamw without bias correction"}
        return self.grid(
            {rate_name(rate): {**common, "training.learning_rate": rate} for rate in self.learning_rates}
            | {
                rate_name(rate) + WITHOUT: {**common, **without, "training.learning_rate": rate}
                for rate in self.without_bias_correction
            }
        )

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: the lowest rate, or without bias correction the same rate with it."""
        lowest = rate_name(min(self.learning_rates))
        rates = {rate_name(rate): lowest for rate in self.learning_rates if rate_name(rate) != lowest}
        return rates | {rate_name(rate) + WITHOUT: rate_name(rate) for rate in self.without_bias_correction}

    def encoder_with_heads(self) -> EncoderSpec:
        """The encoder, with an MLM head trained on it if it was published without."""
        if self.heads is None:
            return self.encoder
        corpus = (TextSpec(name=self.general_text.name),)
        return self.encoder.after(PretrainingSpec(corpus=corpus, recipe=self.heads))
