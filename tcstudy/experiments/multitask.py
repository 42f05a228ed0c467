"""Table 7: does fine-tuning on several tasks at once help each of them?"""

from typing import Any, ClassVar, Literal

from pydantic import field_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import PretrainingExperiment, RunKey
from tcstudy.spec import DataSpec, EncoderSpec, MultitaskSpec, RunSpec, TextSpec, TrainingSpec
from tcstudy.value import NonEmpty


class Multitask(PretrainingExperiment):
    """Fine-tuning with and without a multi-task stage before it, from the published encoder and a further pre-trained.

    Attributes:
        window: what the encoder sees of a text in fine-tuning, multi-task or not.
        corpus: data sets of the cross-domain further pre-training, tasks or not; as texts where other pages are tested
            on rows of their training files (`test_from_train`).
        multitask_training: how all tasks are trained together.
        sampling: how often each task's batches come.
        later_training: how each task is fine-tuned by itself afterwards.
    """

    page: ClassVar = "multitask"

    corpus: NonEmpty[str | TextSpec]
    multitask_training: TrainingSpec = TrainingSpec()
    sampling: Literal["proportional", "square root", "uniform"] = "proportional"
    later_training: TrainingSpec = TrainingSpec()

    @field_validator("corpus")
    @classmethod
    def _exist(cls, texts: tuple[str | TextSpec, ...]) -> tuple[str | TextSpec, ...]:
        for text in texts:
            dataset_facts(text if isinstance(text, str) else text.name)
        return tuple(dict.fromkeys(texts))

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed; each seed has multi-task stages of its own."""
        return self.grid(self.variants)

    def variants(self, data: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
        """What each variant changes in a run with `seed`."""
        later = {"training": self.later_training}
        pretrained = self.pretrained_on(self.corpus, seed=seed)
        return {
            "BERT-FiT": {},
            "BERT-MFiT-FiT": later | {"encoder": self.together(self.encoder, seed)},
            "BERT-CDPT-FiT": {"encoder": pretrained},
            "BERT-CDPT-MFiT-FiT": later | {"encoder": self.together(pretrained, seed)},
        }

    def compared(self) -> dict[str, str]:
        """What each variant is compared with, for the gain of its last stage but fine-tuning on the task alone."""
        return {"BERT-MFiT-FiT": "BERT-FiT", "BERT-CDPT-FiT": "BERT-FiT", "BERT-CDPT-MFiT-FiT": "BERT-CDPT-FiT"}

    def together(self, encoder: EncoderSpec, seed: int) -> EncoderSpec:
        """What fine-tuning on all tasks at once makes of `encoder`."""
        return encoder.after(
            MultitaskSpec(
                tasks=tuple(self.drawn(data, seed) for data in self.data),
                window=self.window,
                training=self.multitask_training,
                sampling=self.sampling,
                protocol=self.protocol,
                seed=seed,
            )
        )
