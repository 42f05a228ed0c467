"""An encoder with the heads of its pre-training: MLM, and NSP where its family has it (Devlin et al. 2019, 3.1)."""

import inspect
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import MODEL_FOR_PRETRAINING_MAPPING, AutoModelForMaskedLM, PretrainedConfig, PreTrainedModel

from tcstudy.encoding.pretraining import PretrainingBatch
from tcstudy.errors import StudyError
from tcstudy.models.encoder import load_pretrained
from tcstudy.spec import EncoderSpec


@dataclass(frozen=True)
class HeadScores:
    """What the heads say.

    Attributes:
        words: logits of the predicted tokens, shape (predicted, vocabulary).
        follows: logits of NSP, shape (pairs, 2), or None where the family has no NSP.
    """

    words: torch.Tensor
    follows: torch.Tensor | None


class PretrainingModel(nn.Module):
    """The family's own model for pre-training, computing its vocabulary projection at the predicted tokens only.

    Args:
        model: with heads.
        made_new: weights that the checkpoint lacks.
        frozen: train only what was made new; the encoder stays as it is and drops nothing out.
    """

    def __init__(self, model: PreTrainedModel, made_new: tuple[str, ...], frozen: bool) -> None:
        super().__init__()
        self.model = model
        self.encoder = model.base_model
        self.made_new = made_new
        self.frozen = frozen
        self.has_nsp = _has_nsp(type(model))
        self._predicted: torch.Tensor | None = None
        self.encoder.register_forward_hook(self._keep_predicted)
        if frozen:
            inside = {id(parameter) for parameter in self.encoder.parameters()}
            for name, parameter in model.named_parameters():
                if id(parameter) in inside and name not in made_new:
                    parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainingModel":
        """As torch's; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, batch: PretrainingBatch) -> HeadScores:
        """The heads' logits for `batch`."""
        self._predicted = batch.predicted
        segments = {"token_type_ids": batch.token_type_ids} if self.has_nsp else {}
        if batch.real_tokens is not None:
            where = {"real_tokens": batch.real_tokens}
        else:
            where = {"attention_mask": batch.attention_mask}
        output = self.model(batch.input_ids, **where, **segments)
        self._predicted = None
        if self.has_nsp:
            return HeadScores(output.prediction_logits[0], output.seq_relationship_logits)
        return HeadScores(output.logits[0], None)

    @torch.no_grad()
    def begin_at(self, frequencies: np.ndarray) -> None:
        """Let a new MLM head begin as a language model without context: a bias of the log of smoothed frequencies.

        A head that the checkpoint has is left as it is.

        Args:
            frequencies: how often each token occurs in the corpus, shape (vocabulary,); one is added to each.

        Raises:
            StudyError: the family's MLM head has no bias.
        """
        output = self.model.get_output_embeddings()
        bias = getattr(output, "bias", None)
        if bias is None:
            raise StudyError("new_heads: the MLM head of this family has no bias that could begin at word frequencies.")
        if any(own is bias and name in self.made_new for name, own in self.model.named_parameters()):
            smoothed = np.ones(len(bias))
            smoothed[: len(frequencies)] += frequencies
            bias.copy_(torch.from_numpy(np.log(smoothed / smoothed.sum())))

    def _keep_predicted(self, encoder: nn.Module, given: tuple, output: dict) -> dict:
        """Hand the heads the states of the predicted tokens alone, as one row; NSP reads the pooler, made before."""
        if self._predicted is not None:
            output["last_hidden_state"] = output["last_hidden_state"].flatten(0, 1)[self._predicted][None]
        return output


def load_pretraining_model(spec: EncoderSpec, dropout: float, frozen: bool = False) -> PretrainingModel:
    """The encoder of `spec` with heads: those of its checkpoint, new ones where it has none.

    Raises:
        StudyError: the encoder is not available or is not complete.
    """
    model, missing = load_pretrained(spec, dropout, class_with_heads)
    return PretrainingModel(model, missing, frozen)


def class_with_heads(config: PretrainedConfig) -> type[PreTrainedModel]:
    """The class for pre-training: with MLM and NSP where the family has both, else with MLM.

    Raises:
        KeyError: the family is not one of masked language models.
    """
    both = MODEL_FOR_PRETRAINING_MAPPING.get(type(config), None)
    if both is not None and _has_nsp(both):
        return both
    return AutoModelForMaskedLM._model_mapping[type(config)]


def _has_nsp(model: type[PreTrainedModel]) -> bool:
    return "next_sentence_label" in inspect.signature(model.forward).parameters
