"""What a run is: one trained-and-tested model, described completely by a frozen, validated value.

A run's identity is the hash of its canonical JSON, fields at their default left out, so a new field changes no old
identity. `SEMANTICS` is bumped by hand when the same description comes to mean another computation.
"""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.errors import StudyError, nearest
from tcstudy.value import Count, Number, Value

SEMANTICS = 1


class DataSpec(Value):
    """Which documents: a data set and how many of its documents are drawn for each split.

    The validation split is cut from the training split, then `train` documents are drawn from what is left; both
    stratified, by the seed `draw`. The test documents do not depend on `draw`, so runs of several draws are tested
    on the same documents. None means all; for `validation`, a tenth of the training split.
    """

    name: str
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    draw: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _exists(self) -> Self:
        facts = dataset_facts(self.name)
        wanted = (self.train or 1) + (self.validation or 1)
        if wanted > facts.train:
            raise StudyError(
                f"train and validation ask for {wanted:,} documents, {self.name} has {facts.train:,} to train on"
            )
        if (self.test or 1) > facts.test:
            raise StudyError(f"test asks for {self.test:,} documents, {self.name} has {facts.test:,} to test on")
        return self


class EncoderSpec(Value):
    """Which pre-trained encoder: a name of the catalogue, a folder in `TCSTUDY_ENCODERS`, or a hub id with revision."""

    name: str
    revision: str | None = None


Method = Literal[
    "head-only",
    "tail-only",
    "head+tail",
    "hierarchical mean",
    "hierarchical max",
    "hierarchical self-attention",
]


class WindowSize(Value):
    """How much of a text an encoder sees at once.

    Attributes:
        length: wordpieces, the two special tokens included.
        head: for head+tail, wordpieces kept from the beginning; None keeps the paper's proportion, 128 of 512.
    """

    SPECIAL_TOKENS: ClassVar[int] = 2

    length: Annotated[int, Field(ge=8)] = 512
    head: Count | None = None

    @property
    def content(self) -> int:
        """Wordpieces of text in one window: its length without `[CLS]` and `[SEP]`."""
        return self.length - self.SPECIAL_TOKENS

    @property
    def head_content(self) -> int:
        """Wordpieces that head+tail keeps from the beginning."""
        return self.head if self.head is not None else self.length // 4

    @model_validator(mode="after")
    def _head_fits(self) -> Self:
        if self.head_content >= self.content:
            raise StudyError(
                f"head is {self.head}, longer than the window: of {self.length} wordpieces, {self.content} hold text, "
                f"so head can be at most {self.content - 1}"
            )
        return self


class WindowSpec(WindowSize):
    """How a long text meets a short encoder (Sun et al. 2019, 5.3.1): a window and the method, named as in Table 2."""

    method: Method = "head-only"

    @model_validator(mode="after")
    def _head_has_a_meaning(self) -> Self:
        if self.head is not None and self.method != "head+tail":
            raise StudyError(f"`head` means something for the method head+tail only, not for {self.method}")
        return self


class FeatureSpec(Value):
    """Which hidden states of `[CLS]` the classifier reads (5.3.2).

    Attributes:
        layers: layers counted from 0 as in the paper's Table 3; None is the last.
        join: how several layers are joined.
        pooler: read BERT's pooler, a dense layer with tanh over the last `[CLS]`, as the released code does unless
            layers are given.
    """

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, min_length=1)] | None = None
    join: Literal["concat", "mean", "max"] = "concat"
    pooler: bool = False

    @model_validator(mode="after")
    def _pooler_reads_the_last_layer(self) -> Self:
        if self.pooler and self.layers is not None:
            raise StudyError("`pooler` reads the last layer, so `layers` cannot be given beside it")
        return self


class Protocol(Value):
    """What paper and released code do differently, as values.

    `clean` is the paper's text done properly; `released` is what its code does: BERTAdam and selection on test.

    Attributes:
        optimizer: AdamW with the slanted triangular schedule, or BERTAdam as released.
        selection: the split on which the best epoch is chosen.
    """

    optimizer: Literal["adamw", "bertadam"] = "adamw"
    selection: Literal["validation", "test"] = "validation"


PROTOCOLS = {"clean": Protocol(), "released": Protocol(optimizer="bertadam", selection="test")}


def _named_protocol(given: Any) -> Any:
    if isinstance(given, str):
        if given not in PROTOCOLS:
            raise StudyError(f"'{given}' is not a protocol; {nearest(given, PROTOCOLS)}")
        return PROTOCOLS[given]
    return given


NamedProtocol = Annotated[Protocol, BeforeValidator(_named_protocol)]
"""A protocol, given by its name or by its values."""


class TrainingSpec(Value):
    """How the weights are trained (5.2); the defaults are the paper's.

    Attributes:
        learning_rate: the highest rate of the schedule.
        batch_size: documents in one step of the optimiser.
        epochs: passes over the training documents; the best one is tested.
        warmup: share of all steps in which the rate rises.
        dropout: probability, everywhere in the encoder and before the classifier.
        weight_decay: decoupled; not on biases and layer norms.
        clip_norm: bound of the gradient's norm, over all parameters (AdamW) or for each tensor (BERTAdam).
        layer_decay: xi, by which the rate falls from each layer to the one below it (5.3.3); 1 is one rate for all.
        embeddings: the rate of the embeddings, at the base rate as in the released code, or a layer below the lowest.
    """

    learning_rate: Annotated[Number, Field(gt=0)] = 2e-5
    batch_size: Count = 24
    epochs: Count = 4
    warmup: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[Number, Field(ge=0)] = 0.01
    clip_norm: Annotated[Number, Field(gt=0)] = 1.0
    layer_decay: Annotated[Number, Field(gt=0, le=1)] = 1.0
    embeddings: Literal["base", "bottom"] = "base"


class RunSpec(Value):
    """One run: documents, encoder, window, features, training, protocol and seed."""

    data: DataSpec
    encoder: EncoderSpec
    window: WindowSpec = WindowSpec()
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> Self:
        try:
            facts = encoder_facts(self.encoder.name, self.encoder.revision)
        except StudyError as error:
            raise StudyError(f"encoder: {error}") from None
        if facts is not None:
            self.check_encoder(facts.layers, facts.max_length)
        return self

    def check_encoder(self, layers: int, max_length: int) -> None:
        """Check window and features against an encoder of `layers` layers and `max_length` wordpieces.

        Raises:
            StudyError: the window is too long, or a layer does not exist.
        """
        if self.window.length > max_length:
            raise StudyError(
                f"window.length: {self.window.length} wordpieces are more than {self.encoder.name} takes ({max_length})"
            )
        for layer in self.features.layers or ():
            if layer >= layers:
                raise StudyError(
                    f"features.layers: layer {layer} does not exist, {self.encoder.name} has {layers} layers: "
                    f"0 to {layers - 1}"
                )

    @property
    def canonical(self) -> str:
        """The description as JSON, keys sorted, values at their default left out."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))

    @property
    def id(self) -> str:
        """The run's identity: 16 hexadecimal digits of the SHA-256 of semantics number and canonical JSON."""
        return hashlib.sha256(f"{SEMANTICS}:{self.canonical}".encode()).hexdigest()[:16]
