"""Where the real tokens of a micro-batch stand, so that padding is not computed (docs/decisions/unpadding.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch

_TOGETHER = {"cpu": 512}
"""Tokens that go through attention together, padding included; a longer row goes alone."""
_SHORTER = {"cpu": 32}
"""By so many tokens a row may be shorter than the longest that it is padded to."""
_ELSEWHERE = 65_536
"""The same on GPUs: a bound of memory, which a batch does not reach."""


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor` of the CPU on `device`; to a GPU the copy goes on by itself, from pinned memory."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def real_places(lengths: Sequence[int], longest: int) -> torch.Tensor:
    """Places of what is real in flattened rows of `longest`, each real at its beginning, shape (sum of lengths,).

    >>> real_places([1, 3], 3).tolist()
    [0, 3, 4, 5]
    """
    return (torch.arange(longest) < torch.tensor(lengths)[:, None]).flatten().nonzero()[:, 0]


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


@dataclass(frozen=True, eq=False)
class RealTokens:
    """Where a micro-batch has its tokens, the rest of the rectangle being padding behind them.

    The tokens stand one row after another, the longest row first.

    Attributes:
        shape: of the rectangle, (rows, length).
        lengths: of the rows, longest first.
        places: of the tokens in the flattened rectangle, shape (tokens,).
        firsts: of each row's first token among all tokens, rows in the rectangle's order, shape (rows,).
        ends: where each row begins among all tokens, and where the last one ends, shape (rows + 1,), int32.
        first_only: of the last layer nothing but the first token of each row is wanted: an encoder that is given this
            returns states of shape (rows, 1, width), and computes little else in that layer if its family allows it.
    """

    shape: torch.Size
    lengths: tuple[int, ...]
    places: torch.Tensor
    firsts: torch.Tensor
    ends: torch.Tensor
    first_only: bool = False

    @classmethod
    def of(cls, lengths: Sequence[int], length: int) -> Self:
        """Those of rows with so many tokens each, in a rectangle of `length`; on the CPU."""
        counts = torch.tensor(lengths)
        order = counts.argsort(descending=True, stable=True)
        rows, columns = (torch.arange(length) < counts[order, None]).nonzero(as_tuple=True)
        counts = counts[order]
        firsts = torch.empty_like(order)
        firsts[order] = counts.cumsum(0) - counts
        return cls(
            shape=torch.Size((len(lengths), length)),
            lengths=tuple(counts.tolist()),
            places=order[rows] * length + columns,
            firsts=firsts,
            ends=torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int(),
        )

    def to(self, device: torch.device) -> Self:
        """The same on `device`."""
        names = ("places", "firsts", "ends")
        return replace(self, **{name: moved(getattr(self, name), device) for name in names})

    def pack(self, states: torch.Tensor) -> torch.Tensor:
        """States of the rectangle (rows, length, width) to those of the tokens, shape (1, tokens, width)."""
        return states.flatten(0, 1).index_select(0, self.places)[None]

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """States of the tokens (1, tokens, width) to the rectangle (rows, length, width), zero on padding."""
        whole = states.new_zeros(self.shape.numel(), states.shape[-1])
        return whole.index_copy(0, self.places, states[0]).view(*self.shape, -1)

    @cached_property
    def groups(self) -> list[Rows]:
        """Rows that go through attention together, longest first: of similar length on a CPU, elsewhere most."""
        lengths, device, groups = self.lengths, self.places.device, []
        together, shorter = (most.get(device.type, _ELSEWHERE) for most in (_TOGETHER, _SHORTER))
        start = token = 0
        while start < len(lengths):
            longest, end = lengths[start], start + 1
            while end < len(lengths) and (end + 1 - start) * longest <= together and longest - lengths[end] <= shorter:
                end += 1
            own = lengths[start:end]
            real = mask = None
            if (tokens := sum(own)) < len(own) * longest:
                real = moved(real_places(own, longest), device)
                mask = moved((torch.arange(longest) < torch.tensor(own)[:, None])[:, None, None], device)
            groups.append(Rows(slice(token, token + tokens), len(own), longest, real, mask))
            start, token = end, token + tokens
        return groups
