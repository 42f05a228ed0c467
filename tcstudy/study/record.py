"""A run's record: what was asked, what came out, what it cost, and with what it was made. No summaries."""

import base64
import datetime
import platform
import subprocess
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

import tcstudy
from tcstudy.corpora.report import DataReport
from tcstudy.spec import AnyRun, BagOfWordsSpec, EncoderSpec, Identified, RunSpec
from tcstudy.training.outcome import Evaluation, Forgetting, Training
from tcstudy.value import TupleOf, Value

SCHEMA = 2
"""Of the files of records; the second one holds a digest of itself."""


Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""As `Identified.id`: it names a file, and stands in pages."""


DigestsRead = dict[str, Annotated[tuple[str, str], Field(strict=False)]]
"""Content digests of the training and the test split of each data set that was read; empty before these were kept."""


class Packed(Value):
    """A vector of numbers as text: little-endian, compressed, base64."""

    dtype: Literal["<u1", "<u2", "<u4"]
    data: str

    @classmethod
    def pack(cls, values: np.ndarray, dtype: Literal["<u1", "<u2", "<u4"]) -> "Packed":
        """Pack integers; values that `dtype` cannot hold are an error.

        >>> Packed.pack(np.array([1, 2, 3]), "<u1").unpack()
        array([1, 2, 3], dtype=uint8)
        """
        packed = np.asarray(values).astype(dtype)
        if not np.array_equal(packed, values):
            raise ValueError(f"the values do not fit into {dtype}")
        return cls(dtype=dtype, data=base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode())

    def unpack(self) -> np.ndarray:
        """The numbers, shape (length,)."""
        return np.frombuffer(zlib.decompress(base64.b64decode(self.data)), dtype=self.dtype)


class Predictions(Value):
    """Every test document of a run, in the test split's order.

    Attributes:
        documents: their number.
        labels: true class.
        predicted: class of the highest probability.
        confidence: that probability, in 65535ths.
        lengths: wordpieces of the whole text, in words for a bag of words; None since they are kept once for each set.
    """

    documents: int
    labels: Packed
    predicted: Packed
    confidence: Packed
    lengths: Packed | None = None

    @classmethod
    def pack(cls, labels: np.ndarray, probabilities: np.ndarray, lengths: np.ndarray | None = None) -> "Predictions":
        """Pack labels (documents,), probabilities (documents, classes) and, where they are not kept, lengths."""
        return cls(
            documents=len(labels),
            labels=Packed.pack(labels, "<u1"),
            predicted=Packed.pack(probabilities.argmax(axis=1), "<u1"),
            confidence=Packed.pack(np.rint(probabilities.max(axis=1) * 65535).clip(0, 65535), "<u2"),
            lengths=None if lengths is None else Packed.pack(lengths, "<u4"),
        )

    @model_validator(mode="after")
    def _are_of_every_document(self) -> Self:
        for name in ("labels", "predicted", "confidence", "lengths"):
            if (packed := getattr(self, name)) is None:
                continue
            try:
                numbers = packed.unpack()
            except (ValueError, zlib.error) as error:
                raise ValueError(f"{name} cannot be unpacked: {error}") from None
            if len(numbers) != self.documents:
                raise ValueError(f"{name} are {len(numbers)}, but there are {self.documents} documents")
        return self

    @property
    def wrong(self) -> np.ndarray:
        """Whether each test document was classified wrongly, shape (documents,)."""
        return self.predicted.unpack() != self.labels.unpack()


class LengthsSpec(Identified):
    """Which lengths: of what tested documents, and in what unit.

    Attributes:
        documents: content digest of the documents in the order in which they are tested.
        unit: digest of the tokenizer whose wordpieces are counted, or "words".
    """

    documents: str
    unit: str


class LearningCurve(Value):
    """What went on during training.

    Attributes:
        steps: the updates at which stretches of equal length end.
        losses: mean training loss over each of these stretches.
        epochs: the selection split's results at the end of each epoch.
        points: the same after every so many updates, ends of epochs included; empty where `measures.every` is None.
    """

    steps: TupleOf[int]
    losses: TupleOf[float]
    epochs: TupleOf[Evaluation]
    points: TupleOf[Evaluation] = ()

    @classmethod
    def thin(
        cls, losses: Sequence[float], epochs: Sequence[Evaluation], points: Sequence[Evaluation] = (), most: int = 200
    ) -> "LearningCurve":
        """The curve of all updates' `losses`, in at most `most` equal stretches."""
        stretch = -(-len(losses) // most) or 1
        ends = [min(start + stretch, len(losses)) for start in range(0, len(losses), stretch)]
        means = [float(np.mean(losses[end - ((end - 1) % stretch + 1) : end])) for end in ends]
        rounded = tuple(round(mean, 6) for mean in means)
        return cls(steps=tuple(ends), losses=rounded, epochs=tuple(epochs), points=tuple(points))


class Cost(Value):
    """What a run took: wall-clock seconds, updates, real and padded training tokens, peak memory, parameters.

    The peak is the run's own on a GPU, the whole process's so far on a CPU, and 0 where it is not taken. For a bag of
    words tokens are words.
    """

    training_seconds: float
    evaluation_seconds: float
    steps: int
    tokens: int
    padded_tokens: int
    peak_memory_bytes: int

    @classmethod
    def of(cls, training: Training) -> "Cost":
        """The cost of `training`."""
        return cls(
            training_seconds=round(training.training_seconds, 3),
            evaluation_seconds=round(training.evaluation_seconds, 3),
            steps=len(training.losses),
            tokens=training.tokens,
            padded_tokens=training.padded_tokens,
            peak_memory_bytes=training.peak_memory_bytes,
        )


class Provenance(Value):
    """Where and with what a run was made.

    `commit` is the project's, `+` marks uncommitted changes, None is outside a checkout; `encoder_digest` is empty
    without an encoder; `made_new` names weights that the encoder's checkpoint lacks.
    """

    made: str
    package: str
    commit: str | None = None
    python: str
    libraries: dict[str, str]
    system: str
    device: str
    processes: int
    encoder_digest: str
    made_new: TupleOf[str] = ()


class Kept(Value):
    """What every file of a store begins with; `id` is the hash of its `spec`, as `semantics` was then."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA)] = SCHEMA
    semantics: int
    id: Identity
    spec: Identified


class Record(Kept):
    """One run: its spec and everything about its outcome that the study's numbers are computed from.

    `lengths` names those of the test documents, which records held themselves before they were kept once for each set.
    `outcome` is "diverged" when the loss stopped being a finite number, at update `diverged_at`; the run has no
    predictions then.
    """

    spec: AnyRun
    outcome: Literal["finished", "diverged"]
    diverged_at: int | None = None
    best_epoch: int | None = None
    curve: LearningCurve
    test: Predictions | None = None
    lengths: LengthsSpec | None = None
    forgetting: Forgetting | None = None
    cost: Cost
    data: DataReport
    read: DigestsRead = Field(default_factory=dict)
    provenance: Provenance

    @property
    def error_rate(self) -> float:
        """Share of the test documents classified wrongly; not a number if the run diverged."""
        return float(np.mean(self.test.wrong)) if self.test else float("nan")


_TORCH = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy")
LIBRARIES = {
    RunSpec: _TORCH,
    EncoderSpec: (*_TORCH, "spacy"),
    BagOfWordsSpec: ("scikit-learn", "scipy", "datasets", "numpy"),
}
"""What decides what is computed from each kind of description."""


def provenance_of(training: Training, kind: type) -> Provenance:
    """Where and with what `training` was made, just now, from a description of that kind."""
    return Provenance(
        made=now(),
        package=tcstudy.__version__,
        commit=commit(),
        python=platform.python_version(),
        libraries=library_versions(kind),
        system=system(),
        device=training.device,
        processes=training.processes,
        encoder_digest=training.encoder_digest,
        made_new=training.made_new,
    )


def library_versions(kind: type = RunSpec) -> dict[str, str]:
    """Installed versions of the libraries that decide what a run of that kind computes."""
    return {library: version(library) for library in LIBRARIES[kind]}


def commit() -> str | None:
    """The project's commit, with `+` if something is not committed; None outside a checkout."""
    folder = Path(tcstudy.__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def system() -> str:
    """Operating system and processor architecture, without the machine's name."""
    return f"{platform.system()} {platform.machine()}"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
