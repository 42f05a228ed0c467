"""Table 4: does a learning rate that falls from layer to layer help?"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.spec import RunSpec, WindowSpec
from tcstudy.value import Number


class LayerDecay(FineTuningExperiment):
    """Every decay at every learning rate.

    Attributes:
        window: what the encoder sees of a text.
        learning_rates: rates of the top layer.
        decays: xi, by which the rate falls from each layer to the one below; 1 is one rate for all.
        embeddings: rate of the embeddings, at the base rate (as released) or a layer below the lowest.
    """

    page: ClassVar = "layer_decay"

    window: WindowSpec = WindowSpec()
    learning_rates: Annotated[tuple[Number, ...], Field(strict=False, min_length=1)]
    decays: Annotated[tuple[Number, ...], Field(strict=False, min_length=1)] = (1.0, 0.95, 0.9, 0.85)
    embeddings: Literal["base", "bottom"] = "base"

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, rate, decay and seed."""
        return self.grid(
            {
                f"lr {rate:g} decay {decay:.2f}": {
                    "window": self.window,
                    "training.learning_rate": rate,
                    "training.layer_decay": decay,
                    "training.embeddings": self.embeddings,
                }
                for rate in self.learning_rates
                for decay in self.decays
            }
        )
