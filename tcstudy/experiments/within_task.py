"""Figure 3: how long should an encoder be further pre-trained on the text of its task?"""

from typing import ClassVar

from tcstudy.errors import StudyError
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import EncoderSpec, RunSpec
from tcstudy.value import Natural, NonEmpty


def stop_name(stop: int) -> str:
    """How tables call an encoder after `stop` steps of further pre-training.

    >>> stop_name(100_000)
    '100k steps'
    """
    return f"{stop // 1000}k steps" if stop and stop % 1000 == 0 else f"{stop} steps"


class WithinTask(PretrainingExperiment):
    """Fine-tuning after every so many steps of one further pre-training on the task's own training texts.

    Attributes:
        stops: steps of the one schedule after which the encoder is taken; 0 is the encoder as published.
    """

    page: ClassVar = "within_task"

    stops: NonEmpty[Natural]

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, stop and seed."""
        return self.grid(
            lambda data, seed: {
                stop_name(stop): {"encoder": self.encoder_after(data.name, stop, seed)} for stop in self.stops
            }
        )

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: the encoder as published, where it is one of the stops."""
        names = {stop_name(stop) for stop in self.stops if stop}
        return dict.fromkeys(sorted(names), stop_name(0)) if 0 in self.stops else {}

    def encoders(self) -> dict[tuple[str, int], EncoderSpec]:
        """The encoders that were further pre-trained, by data set and stop; of several pre-trainings the first."""
        return {
            (data.name, stop): self.encoder_after(data.name, stop) for data in self.data for stop in self.stops if stop
        }

    def encoder_after(self, dataset: str, stop: int, seed: int | None = None) -> EncoderSpec:
        """The encoder after `stop` steps on the training texts of `dataset`, for the run with `seed`.

        Raises:
            StudyError: the schedule is shorter.
        """
        last = self.pretraining.steps
        if stop > last:
            raise StudyError(f"stops: {stop:,} steps are more than pretraining.steps, {last:,}")
        if stop == 0:
            return self.encoder_for(dataset)
        encoder = self.pretrained_on([dataset], seed=seed)
        if stop == last:
            return encoder
        return encoder.before.after(encoder.stages[-1].model_copy(update={"stop": stop}))
