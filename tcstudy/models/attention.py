"""Encoders' layers on real tokens only, and attention whose dropout costs little (docs/decisions/unpadding.md)."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tcstudy.models.dropout import CheapDropout, kept
from tcstudy.models.layers import layer_stack

_NAME = "sdpa_on_real_tokens"
_TOGETHER = 512
"""Tokens that go through attention together, padding included; a longer row goes alone."""
_SHORTER = 32
"""By so many tokens a row may be shorter than the longest that it is padded to."""
_LAYER_TAKES = {
    "self",
    "hidden_states",
    "attention_mask",
    "encoder_hidden_states",
    "encoder_attention_mask",
    "past_key_values",
    "kwargs",
}


@dataclass(frozen=True)
class Rows:
    """Rows of similar length, whose tokens stand one after another.

    Attributes:
        tokens: where they stand among all real tokens.
        number, longest: rows, and their longest.
        real: places of the tokens in the flattened rectangle (rows * longest); None where it is full.
        mask: true where the rectangle has a token, shape (rows, 1, 1, longest); None where it is full.
    """

    tokens: slice
    number: int
    longest: int
    real: torch.Tensor | None
    mask: torch.Tensor | None

    def spread(self, states: torch.Tensor) -> torch.Tensor:
        """Of all tokens' (tokens, heads, width) these rows', shape (rows, heads, longest, width)."""
        own = states[self.tokens]
        if self.real is not None:
            own = own.new_zeros(self.number * self.longest, *own.shape[1:]).index_copy(0, self.real, own)
        return own.view(self.number, self.longest, *own.shape[1:]).transpose(1, 2)

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """The way back, to these rows' tokens alone, shape (tokens, heads, width)."""
        own = states.transpose(1, 2).flatten(0, 1)
        return own if self.real is None else own.index_select(0, self.real)


class RealTokens:
    """Where a micro-batch has its tokens, the rest of the rectangle being padding behind them.

    Args:
        attention_mask: shape (rows, length), 1 on tokens.
        first_only: of the last layer nothing but the first token of each row is wanted: an encoder that is given this
            returns states of shape (rows, 1, width), and computes little else in that layer if its family allows it.
    """

    def __init__(self, attention_mask: torch.Tensor, first_only: bool) -> None:
        self.first_only = first_only
        self.shape = attention_mask.shape
        lengths = attention_mask.sum(dim=1)
        order = lengths.argsort(descending=True, stable=True)
        rows, columns = attention_mask[order].nonzero(as_tuple=True)
        self.places = order[rows] * self.shape[1] + columns  # in the flattened rectangle
        lengths = lengths[order]
        self.firsts = torch.empty_like(order)
        self.firsts[order] = lengths.cumsum(0) - lengths
        self.groups = list(_groups(lengths.tolist()))

    def pack(self, states: torch.Tensor) -> torch.Tensor:
        """States of the rectangle (rows, length, width) to those of the tokens, shape (1, tokens, width)."""
        return states.flatten(0, 1).index_select(0, self.places)[None]

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """States of the tokens (1, tokens, width) to the rectangle (rows, length, width), zero on padding."""
        whole = states.new_zeros(self.shape.numel(), states.shape[-1])
        return whole.index_copy(0, self.places, states[0]).view(*self.shape, -1)


def _groups(lengths: list[int]) -> Iterator[Rows]:
    """Rows of similar length, longest first."""
    start = token = 0
    while start < len(lengths):
        longest, end = lengths[start], start + 1
        while end < len(lengths) and (end + 1 - start) * longest <= _TOGETHER and longest - lengths[end] <= _SHORTER:
            end += 1
        own = torch.tensor(lengths[start:end])
        mask = torch.arange(longest) < own[:, None]
        tokens = int(own.sum())
        full = tokens == mask.numel()
        real = None if full else mask.flatten().nonzero()[:, 0]
        yield Rows(slice(token, token + tokens), end - start, longest, real, None if full else mask[:, None, None])
        start, token = end, token + tokens


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
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
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


def prepare(model: PreTrainedModel) -> None:
    """Have `model` draw its dropout cheaply and, where its family allows it, compute real tokens only when told so."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, CheapDropout(child.p))
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(_NAME, attention)
        AttentionMaskInterface.register(_NAME, sdpa_mask)
        model.set_attn_implementation(_NAME)
    if _can_unpad(model.base_model):
        _unpad_between(layer_stack(model.base_model))


def unpads(model: PreTrainedModel, device: torch.device) -> bool:
    """Whether a prepared `model` is to be given `real_tokens` on `device`: it can, and on a CPU it is faster."""
    return device.type == "cpu" and _can_unpad(model.base_model)


def _can_unpad(encoder: PreTrainedModel) -> bool:
    """Whether the layers see the shape of the rectangle in their attention only."""
    if encoder.config._attn_implementation != _NAME:
        return False
    takes = inspect.signature(type(layer_stack(encoder)[0]).forward).parameters
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
