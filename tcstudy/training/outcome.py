"""What a training leaves behind."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from tcstudy.corpora.report import TextReport
from tcstudy.encoding.documents import Document
from tcstudy.value import TupleOf, Value


class Evaluation(Value):
    """Error rate (a share) and mean cross-entropy on the selection split after `step` updates, `epoch` whole epochs."""

    step: int
    epoch: int
    error: float
    loss: float

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: Sequence[int], step: int, epoch: int) -> Self:
        """What predicted `probabilities`, shape (documents, classes), are worth beside the true classes `labels`."""
        of_label = probabilities[np.arange(len(labels)), labels]
        return cls(
            step=step,
            epoch=epoch,
            error=float(np.mean(probabilities.argmax(axis=1) != labels)),
            loss=float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean()),
        )


@dataclass(frozen=True)
class Step:
    """One update: its number from 1, the mean loss of its batch, real and padded tokens that it took."""

    number: int
    loss: float
    tokens: int
    padded_tokens: int


class Forgetting(Value):
    """Mean loss of the encoder's MLM head on general text, in nats for each of `words` masked words."""

    before: float
    after: float
    words: int


@dataclass
class Training:
    """What every training has: where it was made and what it cost.

    Attributes:
        encoder_digest: of the weights that the encoder began with; empty without an encoder.
        made_new: weights that the encoder's checkpoint lacks, heads for example.
        device: name of the device.
        processes: how many took part.
        losses: mean training loss of each update.
        tokens, padded_tokens: trained on, over all epochs.
        training_seconds, evaluation_seconds: by the wall clock, those before an interruption included.
        peak_memory_bytes: on a GPU of this training; on a CPU of the whole process so far; 0 where it is not taken.
    """

    encoder_digest: str
    made_new: tuple[str, ...]
    device: str
    processes: int
    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    padded_tokens: int = 0
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    peak_memory_bytes: int = 0

    COUNTERS: ClassVar = (
        "losses",
        "tokens",
        "padded_tokens",
        "training_seconds",
        "evaluation_seconds",
        "peak_memory_bytes",
    )

    def count(self, step: Step) -> None:
        """Add an update."""
        self.losses.append(step.loss)
        self.tokens += step.tokens
        self.padded_tokens += step.padded_tokens

    def begin(self) -> None:
        """Start the clock of a training, or of one that goes on."""
        self._began = time.perf_counter() - self.training_seconds - self.evaluation_seconds

    def take_time(self) -> None:
        """Count the seconds so far, but those of evaluation, as training."""
        self.training_seconds = time.perf_counter() - self._began - self.evaluation_seconds

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Count the seconds of what is done within as evaluation."""
        started = time.perf_counter()
        yield
        self.evaluation_seconds += time.perf_counter() - started

    def count_memory(self, peak: int) -> None:
        """Add a peak in bytes; the highest one is kept."""
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak)

    def counters(self) -> dict[str, Any]:
        """What was counted so far, as plain data that a file can hold, also while training goes on."""
        return {name: getattr(self, name) for name in self.COUNTERS} | {"losses": list(self.losses)}

    def go_on(self, counters: Mapping[str, Any]) -> None:
        """Take over what was counted before an interruption."""
        for name in self.COUNTERS:
            setattr(self, name, counters.get(name, getattr(self, name)))


@dataclass
class Outcome(Training):
    """What came of a fine-tuning, or of a classifier without an encoder.

    Attributes:
        evaluations: one for each epoch, on the selection split.
        points: where a run asks for them (`measures.every`), one after every so many updates and for each epoch.
        best_epoch: the epoch that is tested, from 1; None if the run diverged or has no epochs.
        diverged_at: the update whose loss was not finite, or None.
        test: the test documents.
        probabilities: of the test documents, shape (documents, classes); None if the run diverged.
        forgetting: where a run asks for it (`measures.general_text`).
    """

    evaluations: list[Evaluation] = field(default_factory=list)
    points: list[Evaluation] = field(default_factory=list)
    best_epoch: int | None = None
    diverged_at: int | None = None
    test: Sequence[Document] = ()
    probabilities: np.ndarray | None = None
    forgetting: Forgetting | None = None

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the fewest errors, of these the lowest loss, of these the first; None before any."""
        return min(self.evaluations, key=lambda evaluation: (evaluation.error, evaluation.loss), default=None)

    def counters(self) -> dict[str, Any]:
        """What was counted and measured so far, as plain data that a file can hold."""
        measured = {name: [one.model_dump() for one in getattr(self, name)] for name in ("evaluations", "points")}
        return super().counters() | measured

    def go_on(self, counters: Mapping[str, Any]) -> None:
        """Take over what was counted and measured before an interruption."""
        super().go_on(counters)
        for name in ("evaluations", "points"):
            setattr(self, name, [Evaluation(**values) for values in counters[name]])


class HeadQuality(Value):
    """How well an encoder's heads predict text that they were not trained on.

    Attributes:
        mlm_loss, mlm_accuracy: mean cross-entropy in nats and share of right words over `words` predicted tokens; None
            where MLM was not trained.
        nsp_loss, nsp_accuracy: the same over `pairs` pairs of segments; None where NSP was not trained.
    """

    mlm_loss: float | None = None
    mlm_accuracy: float | None = None
    words: int = 0
    nsp_loss: float | None = None
    nsp_accuracy: float | None = None
    pairs: int = 0


class FilledMask(Value):
    """A masked word of a held-out text, and what the head takes it for.

    Attributes:
        before, after: the text around it, wordpieces joined, other masks in it.
        word: what stood there.
        guesses, probabilities: the likeliest words, best first, and their probabilities.
    """

    before: str
    word: str
    after: str
    guesses: TupleOf[str]
    probabilities: TupleOf[float]


class TextHeads(Value):
    """The heads on the held-out text of one data set, before and after a stage, beside counts of its words.

    Attributes:
        name: of the data set.
        before, after: the heads on the same masked words and pairs, at the stage's beginning and end.
        unigram, bigram: mean cross-entropy in nats of the same words, predicted from word counts alone and from counts
            of both neighbours; the counts are of `counted` wordpieces of the set's other texts, as many as the stage
            read, at most all there are.
        counted: wordpieces.
        examples: some of the words, as the heads fill them in at the end; none of texts that may not be quoted.
    """

    name: str
    before: HeadQuality
    after: HeadQuality
    unigram: float
    bigram: float
    counted: int
    examples: TupleOf[FilledMask] = ()


@dataclass
class StageOutcome(Training):
    """What came of one stage of an encoder, besides its folder.

    Attributes:
        text: documents pre-trained on; None for a multi-task stage.
        measured: the heads on held-out text, at the end; None for a multi-task stage.
        texts: the same text by text, with what the heads made of it before; empty for a multi-task stage.
    """

    text: TextReport | None = None
    measured: HeadQuality | None = None
    texts: tuple[TextHeads, ...] = ()
