"""Table 8: does a larger encoder still gain from further pre-training?"""

from typing import Any, ClassVar

from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import DataSpec, EncoderSpec, PretrainingRecipe, RunSpec

PRINTED_ROWS = {
    "ULMFiT": "ULMFiT, cited",
    "BERT-base": "smaller",
    "BERT-base + ITPT": "smaller + ITPT",
    "BERT-large": "larger",
    "BERT-large + ITPT": "larger + ITPT",
}
"""What the rows of the paper's Table 8 are called here, by their printed names."""


class LargerEncoder(PretrainingExperiment):
    """A smaller and a larger encoder, each with and without further pre-training on the task's own text.

    Attributes:
        larger: the larger encoder; `encoder` is the smaller.
        larger_pretraining: how the larger one is further pre-trained.
    """

    page: ClassVar = "larger_encoder"

    larger: EncoderSpec
    larger_pretraining: PretrainingRecipe = PretrainingRecipe()

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, encoder and seed, with and without further pre-training."""
        return self.grid(self.variants)

    def variants(self, data: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
        """What each variant changes in a run on `data` with `seed`."""
        encoders = {
            "smaller": self.encoder,
            "smaller + ITPT": self.pretrained_on([data.name], seed=seed),
            "larger": self.larger,
            "larger + ITPT": self.pretrained_on([data.name], self.larger, self.larger_pretraining, seed),
        }
        return {name: {"encoder": encoder} for name, encoder in encoders.items()}

    def compared(self) -> dict[str, str]:
        """What each variant is compared with, for the gain of further pre-training or of size."""
        return {"smaller + ITPT": "smaller", "larger + ITPT": "larger", "larger": "smaller"}
