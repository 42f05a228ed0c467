"""The encoder that a run starts from, with its earlier stages of further pre-training and multi-task fine-tuning.

A trained encoder is identified by its recipe, inside the spec of the run that needs it, so dependencies are values and
nothing else has to know their order.
"""

from typing import Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from tcstudy.catalog.encoders import commit_of, content_of, encoder_facts
from tcstudy.errors import StudyError
from tcstudy.spec.documents import DataSpec, TextSpec, WindowSpec
from tcstudy.spec.identity import Identified
from tcstudy.spec.training import PROTOCOLS, NamedProtocol, PretrainingRecipe, TrainingSpec
from tcstudy.value import Count, NonEmpty, Seed, TupleOf, Value


class PretrainingSpec(Value):
    """Further pre-training of an encoder on unlabelled text (Sun et al. 2019, 4.2 and 5.4).

    Attributes:
        corpus: the text, one entry for each data set.
        recipe: how it is trained.
        stop: the update after which the encoder is taken, out of the recipe's steps; None means the last.
        measured_on: further texts on which the heads are evaluated before and after, besides those held out of the
            corpus: training texts of a data set, test texts of general text. Nothing is trained on them.
    """

    corpus: NonEmpty[TextSpec]
    recipe: PretrainingRecipe = PretrainingRecipe()
    stop: Count | None = None
    measured_on: TupleOf[TextSpec] = ()

    @field_validator("corpus", "measured_on")
    @classmethod
    def _each_once(cls, texts: tuple[TextSpec, ...]) -> tuple[TextSpec, ...]:
        names = [text.name for text in texts]
        if len(set(names)) < len(names):
            raise StudyError(f"each data set can be named only once here, but they are {', '.join(names)}")
        return tuple(sorted(texts, key=lambda text: text.name))

    @field_validator("stop")
    @classmethod
    def _stops_on_the_way(cls, stop: int | None, info: ValidationInfo) -> int | None:
        """The last update has one name only."""
        steps = info.data["recipe"].steps if "recipe" in info.data else None
        if stop is not None and steps is not None and stop > steps:
            raise StudyError(f"stop is {stop:,}, but the recipe has only {steps:,} steps")
        return None if stop == steps else stop

    @property
    def last_step(self) -> int:
        """The update after which the encoder is taken."""
        return self.recipe.steps if self.stop is None else self.stop


class MultitaskSpec(Value):
    """Multi-task fine-tuning: all layers shared, one private classifier for each task (Sun et al. 2019, 4.3).

    Attributes:
        tasks: the data sets.
        window: what the encoder sees of a text.
        training: an epoch has as many updates as one pass over the documents of all tasks.
        sampling: how often each task's batches come: in proportion to its documents, to their square root, or equally.
        protocol: the optimiser; nothing is selected here, the last weights are kept.
        seed: of the order of documents and tasks, dropout and new classifiers.
    """

    tasks: NonEmpty[DataSpec]
    window: WindowSpec = WindowSpec()
    training: TrainingSpec = TrainingSpec()
    sampling: Literal["proportional", "square root", "uniform"] = "proportional"
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seed: Seed = 0

    @field_validator("training")
    @classmethod
    def _is_plain(cls, training: TrainingSpec) -> TrainingSpec:
        if training.loss != "cross-entropy" or training.lora is not None:
            raise StudyError(
                "multi-task training uses cross-entropy and trains all weights: remove `loss` and `lora` from it"
            )
        return training

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, tasks: tuple[DataSpec, ...]) -> tuple[DataSpec, ...]:
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise StudyError(f"each data set can be a task only once, but they are {', '.join(names)}")
        return tasks


class EncoderSpec(Identified):
    """An encoder: a published one, and its later training stages.

    Attributes:
        name: a name in the catalogue, a folder in `TCSTUDY_ENCODERS`, or a hub id with revision.
        revision: the commit of a hub id; the name of a branch or tag is resolved to its current commit. Of a folder in
            `TCSTUDY_ENCODERS` that is not in the catalogue, the digest of its content.
        layers: the number of layers to keep, counted from the bottom; None keeps all.
        stages: its training stages, in order; none for the published encoder itself.
    """

    name: str
    revision: str | None = None
    layers: Count | None = None
    stages: TupleOf[PretrainingSpec | MultitaskSpec] = ()

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, revision: str | None, info: ValidationInfo) -> str | None:
        return None if revision is None else commit_of(info.data.get("name", ""), revision)

    @model_validator(mode="after")
    def _exists(self) -> Self:
        facts = encoder_facts(self.name, self.revision)
        if facts is not None and self.layers is not None and self.layers > facts.layers:
            raise StudyError(f"layers: {self.layers} layers cannot be kept, as {self.name} has {facts.layers}")
        if self.revision is None:
            self.__dict__["revision"] = content_of(self.name)
        return self

    @property
    def published(self) -> "EncoderSpec":
        """The published encoder that all begins with, all layers kept."""
        return EncoderSpec(name=self.name, revision=self.revision)

    @property
    def unstaged(self) -> "EncoderSpec":
        """The published encoder with the layers of this one."""
        return self.model_copy(update={"stages": ()})

    @property
    def before(self) -> "EncoderSpec":
        """The encoder that the last stage began with."""
        return self.model_copy(update={"stages": self.stages[:-1]})

    def after(self, stage: PretrainingSpec | MultitaskSpec) -> "EncoderSpec":
        """The encoder that `stage` makes of this one."""
        return self.model_copy(update={"stages": (*self.stages, stage)})

    @property
    def to_the_end(self) -> "EncoderSpec":
        """The same encoder at the end of its last stage, which all stops of one pre-training have in common."""
        *earlier, last = self.stages
        if isinstance(last, PretrainingSpec) and last.stop is not None:
            return self.model_copy(update={"stages": (*earlier, last.model_copy(update={"stop": None}))})
        return self

    def made_on_the_way(self) -> "list[EncoderSpec]":
        """The encoders that are made to have this one, in order, itself the last; none for a published encoder."""
        return [self.model_copy(update={"stages": self.stages[:number]}) for number in range(1, len(self.stages) + 1)]
