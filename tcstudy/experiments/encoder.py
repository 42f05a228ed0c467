"""The base encoder: what a stage of general pre-training made of the published one, before any task is read."""

from typing import ClassVar

from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.spec import EncoderSpec, RunSpec

PUBLISHED = "as published"
BASE = "after general pre-training"


class Encoder(FineTuningExperiment):
    """Fine-tuning of the encoder that the profile's pages begin with, and of the published one that it was made of."""

    page: ClassVar = "encoder"

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, encoder and seed; of a published encoder alone where no stage was added to it."""
        base = {BASE: {}} if self.encoder.stages else {}
        return self.grid({PUBLISHED: {"encoder": self.encoder.unstaged}} | base)

    def compared(self) -> dict[str, str]:
        """The base encoder is compared with the published one."""
        return {BASE: PUBLISHED} if self.encoder.stages else {}

    def general_stages(self) -> list[EncoderSpec]:
        """The base encoder and those on the way to it, earliest first; none for a published encoder."""
        return self.encoder.made_on_the_way()
