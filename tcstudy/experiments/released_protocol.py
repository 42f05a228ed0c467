"""What the paper's released code does differently from its text, one choice at a time."""

from typing import Any, ClassVar

from pydantic import Field

from tcstudy.errors import StudyError
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import PRETRAINING_PROTOCOLS, PROTOCOLS, Optimizer, PretrainingProtocol, RunSpec
from tcstudy.value import Positive

PLAIN = "BERT-FiT"
PRETRAINED = "BERT-ITPT-FiT"


class ReleasedProtocol(PretrainingExperiment):
    """Each choice of the released code switched alone, and all together.

    Attributes:
        rates: the learning rate of each optimiser besides the page's own, chosen on the page about rates; one without
            has the rate of `training`.
    """

    page: ClassVar = "released_protocol"

    rates: dict[Optimizer, Positive] = Field(default_factory=dict)

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed.

        Raises:
            StudyError: a protocol is given that would not leave the baselines clean.
        """
        if (self.protocol, self.pretraining.protocol) != (PROTOCOLS["clean"], PRETRAINING_PROTOCOLS["clean"]):
            raise StudyError("protocol: each choice of the released code is switched alone here, so it must be clean")
        return self.grid(lambda data, seed: self.variants(data.name, seed))

    def variants(self, dataset: str, seed: int | None = None) -> dict[str, dict[str, Any]]:
        """What each variant changes in the run on `dataset` with `seed`, each baseline before its variants."""
        clean = PRETRAINING_PROTOCOLS["clean"]
        pretrained, static, test_text, released = (
            self.pretrained_with(dataset, protocol, seed)
            for protocol in (
                clean,
                clean.model_copy(update={"masking": "static"}),
                clean.model_copy(update={"text": "train and test"}),
                PRETRAINING_PROTOCOLS["released"],
            )
        )
        rate = self.rates.get("bertadam", self.training.learning_rate)
        bertadam = {"protocol.optimizer": "bertadam", "training.learning_rate": rate}
        as_released = {"protocol": PROTOCOLS["released"], "training.learning_rate": rate}
        return {
            PLAIN: {},
            f"{PLAIN}, epoch selected on test": {"protocol.selection": "test"},
            f"{PLAIN}, BERTAdam": bertadam,
            f"{PLAIN}, as released": as_released,
            PRETRAINED: pretrained,
            f"{PRETRAINED}, static masking": static,
            f"{PRETRAINED}, test text in pre-training": test_text,
            f"{PRETRAINED}, as released": released | as_released,
        }

    def pretrained_with(self, dataset: str, protocol: PretrainingProtocol, seed: int | None) -> dict[str, Any]:
        """The encoder further pre-trained on `dataset` under `protocol`, as a change of a run."""
        recipe = self.pretraining.model_copy(update={"protocol": protocol})
        return {"encoder": self.pretrained_on([dataset], recipe=recipe, seed=seed)}

    def compared(self) -> dict[str, str]:
        """What each variant is compared with, by variant: the clean run of the same encoder."""
        variants = self.variants(self.data[0].name)
        return {name: name.split(",")[0] for name in variants if name not in (PLAIN, PRETRAINED)}
