"""A run: one trained and tested model, described completely by a frozen, validated value."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from tcstudy.catalog.encoders import encoder_facts
from tcstudy.errors import StudyError
from tcstudy.spec.documents import DataSpec, TextSpec, WindowSpec
from tcstudy.spec.encoder import EncoderSpec
from tcstudy.spec.extensions import extensible
from tcstudy.spec.identity import Identified
from tcstudy.spec.training import PROTOCOLS, NamedProtocol, TrainingSpec
from tcstudy.value import Count, Natural, NonEmpty, Number, Seed, Value


class FeatureSpec(Value):
    """The hidden states that the classifier reads (5.3.2).

    Attributes:
        layers: layers counted from 0 as in the paper's Table 3; None means the last.
        join: how several layers are joined.
        pooler: read BERT's pooler, a dense layer with tanh over the last `[CLS]`, as the released code does unless
            layers are given.
        reader: what the linear layer reads: the states of `[CLS]` (cls), their mean over all tokens (mean), the
            output of a biLSTM with self-attention (Lin et al. 2017) over them, as in the paper's BERT-Feat (bilstm;
            5.4.3), or that of a user's own reader (`spec.extensions`).
    """

    layers: NonEmpty[Natural] | None = None
    join: Literal["concat", "mean", "max"] = "concat"
    pooler: bool = False
    reader: Annotated[str, extensible("reader", ("cls", "mean", "bilstm"))] = "cls"

    @model_validator(mode="after")
    def _pooler_reads_the_last_layer(self) -> Self:
        if self.pooler and self.layers is not None:
            raise StudyError("`pooler` reads the last layer, so `layers` cannot be given as well")
        if self.pooler and self.reader != "cls":
            raise StudyError("`pooler` reads only `[CLS]`, so `reader` must be cls")
        return self


class MeasureSpec(Value):
    """Measurements of a fine-tuning besides its test error; they do not change the model.

    Attributes:
        every: updates between two points of the learning curve on the selection split; None is once an epoch.
        general_text: test texts of a data set on which the loss of the encoder's MLM head is taken before and after
            fine-tuning, to see what was forgotten; `documents` of them.
    """

    every: Count | None = None
    general_text: TextSpec | None = None


class RunSpec(Identified):
    """One fine-tuning: documents, encoder, window, features, training, protocol, seed, and additional measurements."""

    data: DataSpec
    encoder: EncoderSpec
    window: WindowSpec = WindowSpec()
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seed: Seed = 0
    measures: MeasureSpec = MeasureSpec()

    @model_validator(mode="after")
    def _whole_encoder_is_measured(self) -> Self:
        if self.measures.general_text is not None and self.training.lora is not None:
            raise StudyError("`measures.general_text` cannot be measured with adapters: remove `training.lora`")
        return self

    @model_validator(mode="after")
    def _fits_the_encoder(self) -> Self:
        facts = encoder_facts(self.encoder.name, self.encoder.revision)
        if facts is not None:
            self.check_encoder(self.encoder.layers or facts.layers, facts.max_length)
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


class BagOfWordsSpec(Identified):
    """A classifier without an encoder: logistic regression on TF-IDF of words, the simplest baseline.

    Attributes:
        data: as in a fine-tuning, so that both are tested on the same documents.
        ngrams: longest sequence of words that is a feature.
        strengths: inverse strengths of the regularisation; the one with the fewest errors on validation is tested.
        seed: kept so that tables have one run for each seed; nothing here is random.
    """

    data: DataSpec
    ngrams: Count = 2
    strengths: NonEmpty[Number] = (0.1, 1.0, 10.0, 100.0)
    seed: Seed = 0


AnyRun = RunSpec | BagOfWordsSpec
"""Everything that ends in predictions of test documents."""
