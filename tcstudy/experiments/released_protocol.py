"""What the paper's released code does differently from its text, one choice at a time."""

from typing import Any, ClassVar

from tcstudy.errors import StudyError
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import PRETRAINING_PROTOCOLS, PROTOCOLS, PretrainingProtocol, RunSpec, WindowSpec

PLAIN = "BERT-FiT"
PRETRAINED = "BERT-ITPT-FiT"


class ReleasedProtocol(PretrainingExperiment):
    """Each choice of the released code switched alone, and all together.

    Attributes:
        window: what the encoder sees of a text in fine-tuning.
    """

    page: ClassVar = "released_protocol"

    window: WindowSpec = WindowSpec()

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed.

        Raises:
            StudyError: a protocol is given that would not leave the baselines clean.
        """
        if (self.protocol, self.pretraining.protocol) != (PROTOCOLS["clean"], PRETRAINING_PROTOCOLS["clean"]):
            raise StudyError("protocol: each choice of the released code is switched alone here, so it must be clean")
        return self.grid(lambda data: self.variants(data.name))

    def variants(self, dataset: str) -> dict[str, dict[str, Any]]:
        """What each variant changes in a run on `dataset`, each baseline before its variants."""
        clean = PRETRAINING_PROTOCOLS["clean"]
        plain = {"window": self.window}
        pretrained = self.pretrained_with(dataset, clean)
        static = self.pretrained_with(dataset, clean.model_copy(update={"masking": "static"}))
        test_text = self.pretrained_with(dataset, clean.model_copy(update={"text": "train and test"}))
        released = self.pretrained_with(dataset, PRETRAINING_PROTOCOLS["released"])
        return {
            PLAIN: plain,
            f"{PLAIN}, epoch selected on test": plain | {"protocol.selection": "test"},
            f"{PLAIN}, BERTAdam": plain | {"protocol.optimizer": "bertadam"},
            f"{PLAIN}, as released": plain | {"protocol": PROTOCOLS["released"]},
            PRETRAINED: plain | pretrained,
            f"{PRETRAINED}, static masking": plain | static,
            f"{PRETRAINED}, test text in pre-training": plain | test_text,
            f"{PRETRAINED}, as released": plain | released | {"protocol": PROTOCOLS["released"]},
        }

    def pretrained_with(self, dataset: str, protocol: PretrainingProtocol) -> dict[str, Any]:
        """The encoder further pre-trained on `dataset` under `protocol`, as a change of a run."""
        recipe = self.pretraining.model_copy(update={"protocol": protocol})
        return {"encoder": self.pretrained_on([dataset], recipe=recipe)}

    def compared(self) -> dict[str, str]:
        """What each variant is compared with, by variant: the clean run of the same encoder."""
        variants = self.variants(self.data[0].name)
        return {name: name.split(",")[0] for name in variants if name not in (PLAIN, PRETRAINED)}
