"""How weights are trained: by fine-tuning (Sun et al. 2019, 5.2) and by further pre-training (4.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.errors import StudyError, nearest
from tcstudy.spec.extensions import extensible
from tcstudy.value import Count, Number, Positive, Seed, TupleOf, Value

Optimizer = Literal["adamw", "adamw without bias correction", "bertadam"]


class Protocol(Value):
    """The differences between paper and released code in fine-tuning, as values.

    `clean` is the paper's text done properly; `released` follows its code: BERTAdam and selection on the test split.

    Attributes:
        optimizer: AdamW with the slanted triangular schedule, that without bias correction, or BERTAdam as released.
        selection: the split on which the best epoch is chosen.
    """

    optimizer: Optimizer = "adamw"
    selection: Literal["validation", "test"] = "validation"


class PretrainingProtocol(Value):
    """The differences between paper and released code in further pre-training, as values.

    Attributes:
        masking: new masks and pairs in every pass (dynamic), or those of the first few passes repeated (static).
        duplication: the number of passes with new masks under static masking.
        text: the training texts that occur in no test split (train), or training and test texts, as released.
    """

    masking: Literal["dynamic", "static"] = "dynamic"
    duplication: Count = 5
    text: Literal["train", "train and test"] = "train"


PROTOCOLS = {"clean": Protocol(), "released": Protocol(optimizer="bertadam", selection="test")}
PRETRAINING_PROTOCOLS = {
    "clean": PretrainingProtocol(),
    "released": PretrainingProtocol(masking="static", text="train and test"),
}


def _named(known: Mapping[str, Value]) -> BeforeValidator:
    """Takes a name of `known` for its values."""

    def value_of(given: Any) -> Any:
        if isinstance(given, str):
            if given not in known:
                raise StudyError(f"'{given}' is not a protocol; {nearest(given, known)}")
            return known[given]
        return given

    return BeforeValidator(value_of)


NamedProtocol = Annotated[Protocol, _named(PROTOCOLS)]
"""A protocol, given by its name or by its values."""
NamedPretrainingProtocol = Annotated[PretrainingProtocol, _named(PRETRAINING_PROTOCOLS)]
"""A protocol of further pre-training, given by its name or by its values."""


class OptimizationSpec(Value):
    """The settings that all kinds of training share.

    Attributes:
        learning_rate: the highest rate of the schedule.
        batch_size: documents, or pairs of segments, in one step of the optimiser.
        warmup: share of all steps in which the rate rises.
        dropout: probability, everywhere in the encoder and before the classifier.
        weight_decay: decoupled; not on biases and layer norms.
        clip_norm: bound of the gradient's norm, over all parameters (AdamW) or per tensor (BERTAdam).
        layer_decay: the factor xi of the learning rate from each layer to the one below it (5.3.4); 1 is one rate for
            all.
        embeddings: the learning rate of the embeddings: the base rate, as in the released code, or one layer below the
            lowest.
        frozen: the encoder is not trained and uses no dropout; only the parts on top of it are trained.
    """

    learning_rate: Positive = 2e-5
    batch_size: Count = 24
    warmup: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[Number, Field(ge=0)] = 0.01
    clip_norm: Positive = 1.0
    layer_decay: Annotated[Number, Field(gt=0, le=1)] = 1.0
    embeddings: Literal["base", "bottom"] = "base"
    frozen: bool = False


class TrainingSpec(OptimizationSpec):
    """How a classifier is fine-tuned (5.2); the defaults are the paper's.

    Attributes:
        epochs: passes over the training documents; the best one is tested.
        loss: of a document; cross-entropy, or the user's own (`spec.extensions`).
        lora: train low-rank adapters of this rank in place of the encoder's weights (Hu et al. 2022); None trains all.
    """

    epochs: Count = 4
    loss: Annotated[str, extensible("loss", ("cross-entropy",))] = "cross-entropy"
    lora: Count | None = None

    @model_validator(mode="after")
    def _adapters_are_trained(self) -> Self:
        if self.lora is not None and self.frozen:
            raise StudyError("`lora` trains adapters in the encoder, so `frozen` must be false")
        return self


class PretrainingRecipe(OptimizationSpec):
    """How an encoder is further pre-trained, MLM and NSP together (4.2, 5.2); the defaults are the paper's.

    Attributes:
        steps: updates of the whole schedule.
        length: wordpieces of a pair of segments, special tokens included.
        short_sequences: probability that a pair is cut to a random shorter length, as BERT was trained.
        masked: share of the wordpieces that MLM predicts, 80% of them masked, 10% replaced, 10% left.
        whole_word: mask whole words instead of single wordpieces.
        mlm, nsp: the losses; NSP is left out where the encoder's family has none.
        excluding: data sets besides the corpus's own whose test texts are removed from it.
        new_heads: if an encoder without an MLM head gets one, the bias of its output is initialised at random, as in
            the library, or with the log of each word's smoothed frequency in the corpus, so that the head starts as a
            unigram language model and need not learn frequencies through the encoder.
        protocol: as in the paper or as in its code.
        seed: of the order of documents, pairs, masks, dropout and new heads.
    """

    learning_rate: Positive = 5e-5
    batch_size: Count = 32
    steps: Count = 100_000
    length: Annotated[int, Field(ge=8)] = 128
    short_sequences: Annotated[Number, Field(ge=0, le=1)] = 0.1
    masked: Annotated[Number, Field(gt=0, lt=1)] = 0.15
    whole_word: bool = False
    mlm: bool = True
    nsp: bool = True
    excluding: TupleOf[str] = ()
    new_heads: Literal["random", "word frequencies"] = "random"
    protocol: NamedPretrainingProtocol = PRETRAINING_PROTOCOLS["clean"]
    seed: Seed = 0

    @field_validator("excluding")
    @classmethod
    def _exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            dataset_facts(name)
        return tuple(sorted(set(names)))

    @field_validator("nsp")
    @classmethod
    def _some_loss(cls, nsp: bool, info: Any) -> bool:
        if not nsp and not info.data.get("mlm", True):
            raise StudyError("`mlm` and `nsp` cannot both be false, since nothing would be trained")
        return nsp
