"""What fine-tuning made an encoder forget: the loss of its MLM head on general text, before and after."""

from collections.abc import Mapping

import torch

from tcstudy.corpora.text import load_general_text
from tcstudy.encoding.tokens import Vocabulary
from tcstudy.errors import StudyError
from tcstudy.models.pretraining import load_pretraining_model
from tcstudy.spec import EncoderSpec, PretrainingRecipe, TextSpec
from tcstudy.training.engine import Engine
from tcstudy.training.outcome import Forgetting
from tcstudy.training.pretrain import measure_heads

MASKING = PretrainingRecipe(nsp=False)
"""How the text is masked: as the paper pre-trains, with the same masks before and after."""


def forgetting(
    spec: EncoderSpec, fine_tuned: Mapping[str, torch.Tensor], text: TextSpec, vocabulary: Vocabulary, engine: Engine
) -> Forgetting:
    """Measure an encoder with the heads of its checkpoint, and again with its fine-tuned weights under the same heads.

    The output matrix of a tied head is the encoder's own, fine-tuned with it.

    `spec` is the encoder that fine-tuning began with, `fine_tuned` are the weights of its body afterwards.

    Raises:
        StudyError: the checkpoint has no MLM head, or layers were dropped from the body.
    """
    model = load_pretraining_model(spec, dropout=0.0).to(engine.accelerator.device)
    new = [name for name in model.made_new if "seq_relationship" not in name and "pooler" not in name]
    if new:
        raise StudyError(
            f"measures.general_text: the encoder {spec.name} has no MLM head ({new[0]} is missing); give it one by a "
            "pre-training stage with frozen: true"
        )
    missing = {name for name, _ in model.encoder.named_parameters() if not name.startswith("pooler.")} - set(fine_tuned)
    if missing:
        raise StudyError("measures.general_text: needs all layers of the encoder, so leave features.layers out")
    held_out = load_general_text(text)
    losses = []
    for weights in ({}, fine_tuned):
        model.encoder.load_state_dict(weights, strict=False)
        losses.append(measure_heads(model, held_out.held_out, held_out.language, vocabulary, MASKING, engine))
    before, after = losses
    return Forgetting(before=before.mlm_loss, after=after.mlm_loss, words=before.words)
