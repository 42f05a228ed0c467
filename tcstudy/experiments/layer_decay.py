"""Table 4: does a learning rate that falls from layer to layer help?"""

from typing import ClassVar, Literal

from tcstudy.experiments.base import FineTuningExperiment, RunKey, rate_text
from tcstudy.spec import RunSpec
from tcstudy.value import NonEmpty, Number


def decay_name(rate: float, decay: float) -> str:
    """How tables call a rate of the top layer with a decay."""
    return f"lr {rate_text(rate)} decay {decay:.2f}"


class LayerDecay(FineTuningExperiment):
    """Every decay at every learning rate.

    Attributes:
        learning_rates: rates of the top layer.
        decays: xi, by which the rate falls from each layer to the one below; 1 is one rate for all.
        embeddings: rate of the embeddings, at the base rate (as released) or a layer below the lowest.
    """

    page: ClassVar = "layer_decay"

    learning_rates: NonEmpty[Number]
    decays: NonEmpty[Number] = (1.0, 0.95, 0.9, 0.85)
    embeddings: Literal["base", "bottom"] = "base"

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, rate, decay and seed."""
        return self.grid(
            {
                decay_name(rate, decay): {
                    "training.learning_rate": rate,
                    "training.layer_decay": decay,
                    "training.embeddings": self.embeddings,
                }
                for rate in self.learning_rates
                for decay in self.decays
            }
        )

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: the lowest rate without decay, where that is one of the decays."""
        plain = decay_name(min(self.learning_rates), 1.0)
        names = [decay_name(rate, decay) for rate in self.learning_rates for decay in self.decays]
        return {name: plain for name in names if name != plain} if 1.0 in self.decays else {}
