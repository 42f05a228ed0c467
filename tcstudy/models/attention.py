"""Encoders' layers on real tokens only, and dropout that costs little (docs/decisions/unpadding.md, dropout.md)."""

import functools
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.models.readers import layer_stack

_STEPS = 2**16  # probabilities are multiples of one part in so many


def kept(shape: Sequence[int], dropout: float) -> torch.Tensor:
    """What dropout keeps: booleans of a shape, each false with probability `dropout`, to the nearest 1/65,536.

    Each is cut from sixteen bits of a fast generator that is seeded from torch's, whose seed so decides it as ever.
    """
    number = math.prod(shape)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-number // 4))
    sixteen_bits = torch.from_numpy(words.view(np.int16)[:number]).view(*shape)
    return sixteen_bits >= round(dropout * _STEPS) - _STEPS // 2


class CheapDropout(nn.Dropout):
    """Dropout as torch's; on a CPU with cheap random numbers."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Entries of `input` zeroed with probability `p`, the others divided by 1 - p; as it is in evaluation."""
        if not self.training or not 0 < self.p < 1 or input.device.type != "cpu":
            return super().forward(input)
        return input * kept(input.shape, self.p).mul(1 / (1 - self.p))


_NAME = "sdpa_on_real_tokens"
_LAYER_TAKES = {
    "self",
    "hidden_states",
    "attention_mask",
    "encoder_hidden_states",
    "encoder_attention_mask",
    "past_key_values",
    "kwargs",
}


_FLASH = (
    "_flash_attention_forward(Tensor query, Tensor key, Tensor value, Tensor? cum_seq_q, Tensor? cum_seq_k, "
    "SymInt max_q, SymInt max_k, float dropout_p, bool is_causal, bool return_debug_mask, *, float? scale=None"
)
"""How torch's attention of rows of different length begins its arguments; it is private and may change."""


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    real_tokens: RealTokens | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' `sdpa`, among real tokens alone where these are named.

    Args:
        module: the layer that asks.
        query, key, value: shape (rows, heads, length, width); (1, heads, tokens, width) of real tokens.
        attention_mask: true where a token may be looked at, or what is added to the scores; broadcast to
            (rows, heads, length, length).
        dropout: probability that an attention weight is dropped.
        scaling: of the scores; the root of the width by default.
        is_causal: tokens see what stands before them alone.
        real_tokens: which rows the tokens belong to.
        others: as transformers gives them to any such function.

    Returns:
        States of shape (rows, length, heads, width), and None for the weights.
    """
    if real_tokens is not None:
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # (tokens, heads, width)
        if _fits_flash(query):
            ends, longest = real_tokens.ends, real_tokens.lengths[0]
            states, *_ = torch.ops.aten._flash_attention_forward(
                query, key, value, ends, ends, longest, longest, dropout, False, False, scale=scaling
            )
            return states[None], None
        states = [
            rows.gather(_attend(rows.spread(query), rows.spread(key), rows.spread(value), rows.mask, dropout, scaling))
            for rows in real_tokens.groups
        ]
        return torch.cat(states)[None], None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    more = others.get("position_bias") is not None or others.get("cache") is not None
    if causal or more or query.shape != key.shape:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **others
        )
    return _attend(query, key, value, attention_mask, dropout, scaling).transpose(1, 2).contiguous(), None


def _fits_flash(query: torch.Tensor) -> bool:
    """Whether torch's attention of rows of different length can be had for `query`, shape (tokens, heads, width)."""
    half = query.dtype in (torch.bfloat16, torch.float16)
    return half and query.device.type == "cuda" and query.shape[-1] % 8 == 0 and _has_flash(query.device)


@functools.cache
def _has_flash(device: torch.device) -> bool:
    operator = getattr(torch.ops.aten, "_flash_attention_forward", None)
    known = operator is not None and str(operator.default._schema).removeprefix("aten::").startswith(_FLASH)
    built = torch.backends.cuda.is_flash_attention_available()
    return known and built and torch.cuda.get_device_capability(device) >= (8, 0)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    if dropout == 0 or query.device.type != "cpu":
        return scaled_dot_product_attention(query, key, value, mask, dropout, scale=scaling)
    scores = query.mul(query.shape[-1] ** -0.5 if scaling is None else scaling) @ key.transpose(-1, -2)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1)
    return (weights * kept(weights.shape, dropout)) @ value.div(1 - dropout)


def _mask(
    *, attention_mask: torch.Tensor | None, allow_is_bidirectional_skip: bool = False, **others: Any
) -> torch.Tensor | None:
    """As transformers makes it, but does not ask a GPU whether there is any padding, which would be waited for."""
    known = attention_mask is None or attention_mask.device.type == "cpu"
    skip = allow_is_bidirectional_skip and known
    return sdpa_mask(attention_mask=attention_mask, allow_is_bidirectional_skip=skip, **others)


def prepare(model: PreTrainedModel) -> None:
    """Have `model` draw its dropout cheaply and, where its family allows it, compute real tokens only when told so."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, CheapDropout(child.p))
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(_NAME, attention)
        AttentionMaskInterface.register(_NAME, _mask)
        model.set_attn_implementation(_NAME)
    if unpads(model):
        _unpad_between(layer_stack(model.base_model))


def unpads(model: PreTrainedModel) -> bool:
    """Whether a prepared `model` is to be given `real_tokens`: its layers see the rectangle in their attention only."""
    if model.config._attn_implementation != _NAME:
        return False
    takes = inspect.signature(type(layer_stack(model.base_model)[0]).forward).parameters
    return "kwargs" in takes and set(takes) <= _LAYER_TAKES


def _unpad_between(layers: nn.ModuleList) -> None:
    """Pack what the first of `layers` is given, and spread what the last returns; layers may be dropped later."""

    def pack(layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        real = kwargs.get("real_tokens")
        return None if real is None or layer is not layers[0] else ((real.pack(args[0]), *args[1:]), kwargs)

    def narrow(attended: nn.Module, args: tuple, kwargs: dict, output: tuple) -> tuple | None:
        real = kwargs.get("real_tokens")
        narrower = real is not None and real.first_only and attended is layers[-1].attention
        return (output[0].index_select(1, real.firsts), *output[1:]) if narrower else None

    def spread(layer: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> torch.Tensor | None:
        real = kwargs.get("real_tokens")
        if real is None or layer is not layers[-1]:
            return None
        if real.first_only:
            return (output if narrows else output.index_select(1, real.firsts)).transpose(0, 1)
        return real.pad(output)

    narrows = isinstance(getattr(getattr(layers[0], "attention", None), "output", None), nn.Module)
    for layer in layers:
        layer.register_forward_pre_hook(pack, with_kwargs=True)
        layer.register_forward_hook(spread, with_kwargs=True)
        if narrows:  # what follows takes nothing but the attention's output, as in BERT
            layer.attention.register_forward_hook(narrow, with_kwargs=True)
