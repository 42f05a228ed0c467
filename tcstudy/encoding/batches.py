"""Micro-batches: an optimiser's batch walked in pieces of similar length, so that little is padding."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import torch

from tcstudy.encoding.documents import Document
from tcstudy.encoding.real_tokens import RealTokens, moved

GROUP_TOKENS = 48
"""The tokens that would go through an encoder in the time that a group takes besides its own, measured on a CPU."""


@dataclass(frozen=True, eq=False)
class Rectangle:
    """Rows of tokens, padded to the longest.

    Attributes:
        input_ids: shape (rows, length), padded.
        lengths: real tokens of each row, at its beginning.
        real_tokens: where these are, if the encoder computes real tokens only; else None.
    """

    input_ids: torch.Tensor
    lengths: tuple[int, ...]
    real_tokens: RealTokens | None

    @property
    def tokens(self) -> int:
        """Real tokens."""
        return sum(self.lengths)

    @property
    def computed_tokens(self) -> int:
        """Tokens that go through the encoder."""
        return self.input_ids.numel() if self.real_tokens is None else self.tokens

    @cached_property
    def attention_mask(self) -> torch.Tensor:
        """1 on real tokens, shape (rows, length)."""
        real = torch.arange(self.input_ids.shape[1]) < torch.tensor(self.lengths)[:, None]
        return moved(real.long(), self.input_ids.device)

    def to(self, device: torch.device) -> Self:
        """The same on `device`; to a GPU the copies go on by themselves, from pinned memory."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: moved(own, device) for name, own in values.items() if isinstance(own, torch.Tensor)}
        real = None if self.real_tokens is None else self.real_tokens.to(device)
        return replace(self, **tensors, real_tokens=real)

    def within(self, budget: int) -> "list[Rectangle]":
        """Pieces of its rows that compute no more than `budget` tokens each, or are single rows; itself if it fits."""
        if self.computed_tokens <= budget:
            return [self]
        number, length = self.input_ids.shape
        rows = max(1, budget // length)
        return [self._rows(slice(start, start + rows)) for start in range(0, number, rows)]

    def _rows(self, rows: slice) -> "Rectangle":
        input_ids, lengths, real = self.input_ids[rows], self.lengths[rows], None
        if self.real_tokens is not None:
            real = RealTokens.of(lengths, input_ids.shape[1]).to(input_ids.device)
        return Rectangle(input_ids, lengths, real)


@dataclass(frozen=True, eq=False)
class MicroBatch(Rectangle):
    """Documents that go through the encoder together.

    Attributes:
        fractions: number of fractions of each document; each is a row, in this order.
        labels: shape (documents,).
        rows: place of each document in the list it was taken from.
    """

    fractions: tuple[int, ...]
    labels: torch.Tensor
    rows: tuple[int, ...]

    def halves(self) -> "list[MicroBatch]":
        """The first and the second half of its documents; itself where there is one only."""
        cut = len(self.labels) // 2
        if not cut:
            return [self]
        row = sum(self.fractions[:cut])
        parts = ((slice(row), slice(cut)), (slice(row, None), slice(cut, None)))
        return [
            MicroBatch(
                **vars(self._rows(fractions)),
                fractions=self.fractions[documents],
                labels=self.labels[documents],
                rows=self.rows[documents],
            )
            for fractions, documents in parts
        ]


class Sized(Protocol):
    """What takes `rows` rows of a batch, the longest of `longest` tokens, all together of `tokens`."""

    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def longest(self) -> int: ...  # noqa: D102
    @property
    def tokens(self) -> int: ...  # noqa: D102


class Piece(Protocol):
    """A micro-batch of any kind, as the training loop needs it."""

    @property
    def tokens(self) -> int: ...  # noqa: D102
    @property
    def computed_tokens(self) -> int: ...  # noqa: D102
    def to(self, device: torch.device) -> Self: ...  # noqa: D102
    def halves(self) -> list[Self]: ...  # noqa: D102


def plan_micro_batches(
    documents: Sequence[Sized],
    budget: int,
    unpadded: bool = False,
    group_tokens: int = GROUP_TOKENS,
    processes: int = 1,
) -> list[list[int]]:
    """Group documents, longest first, so that no group computes more than `budget` tokens and least time is lost.

    What is lost is the padding, unless it is not computed, and for each group what it takes besides its tokens. The
    groups with the least of both are found by dynamic programming. Several processes get as many groups each, all
    about as large. A document that is over the budget by itself makes a group of its own. Every document is in exactly
    one group.

    Args:
        documents: any number of them.
        budget: tokens.
        unpadded: the encoder computes real tokens only.
        group_tokens: tokens that would go through the encoder in the time that a group takes besides its own.
        processes: which share the groups, the first taking every so many-th one from the first on.

    Returns:
        Indices into `documents`, one list for each group.
    """
    sizes = [(document.longest, document.tokens, document.rows) for document in documents]  # read from disk once
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i][0], -sizes[i][1], i))
    longest = np.array([sizes[i][0] for i in order])
    tokens, rows = (np.cumsum([0, *(sizes[i][kind] for i in order)]) for kind in (1, 2))

    def computed(start: int | np.ndarray, end: int) -> np.ndarray:
        """Tokens that documents from `start` to `end` compute as one group."""
        return tokens[end] - tokens[start] if unpadded else (rows[end] - rows[start]) * longest[start]

    if processes > 1:
        cuts = _equal_cuts(len(order), computed, budget, processes)
    else:
        cuts = _best_cuts(len(order), computed, budget, group_tokens)
    return [order[start:end] for start, end in itertools.pairwise(cuts)]


def _best_cuts(number: int, computed: Callable[..., np.ndarray], budget: int, group_tokens: int) -> list[int]:
    """Where groups begin, and the end, so that they lose least; of equal ways the one with the smallest last groups."""
    least = np.zeros(number + 1, dtype=np.int64)  # of the first documents: computed tokens and groups
    begins = [0] * (number + 1)  # where their last group begins
    first = 0  # from which on the documents up to the end fit into one group
    for end in range(1, number + 1):
        while first < end - 1 and computed(first, end) > budget:
            first += 1
        starts = np.arange(end - 1, first - 1, -1)
        lost = least[starts] + computed(starts, end)
        best = int(lost.argmin())  # the first of equals
        least[end], begins[end] = lost[best] + group_tokens, starts[best]
    cuts = [number]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    return cuts[::-1]


def _equal_cuts(number: int, computed: Callable[..., np.ndarray], budget: int, processes: int) -> list[int]:
    """Where groups begin, and the end: as many for each process as the budget asks for, the largest being smallest."""

    def filled(most: int) -> list[int]:
        """Cuts where a group of `most` tokens is full."""
        cuts = [0]
        for end in range(1, number + 1):
            if end - 1 > cuts[-1] and computed(cuts[-1], end) > most:
                cuts.append(end - 1)
        return [*cuts, number] if number else cuts

    groups, fits = processes, max([budget, *(int(computed(at, at + 1)) for at in range(number))])
    while True:
        low, high = 1, max(1, int(computed(0, number))) if number else 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if len(filled(middle)) <= groups + 1 else (middle + 1, high)
        cuts = filled(low)
        if low <= fits:
            break
        groups += processes
    while len(cuts) <= min(groups, number):  # one long document decides, so others had been put together
        sizes = [(end - start > 1) * int(computed(start, end)) for start, end in itertools.pairwise(cuts)]
        at = sizes.index(max(sizes))
        cuts.insert(at + 1, (cuts[at] + cuts[at + 1]) // 2)
    return cuts


def collate(documents: Sequence[Document], rows: Sequence[int], pad: int, unpadded: bool = False) -> MicroBatch:
    """The fractions of the documents at `rows` as one rectangle."""
    chosen = [documents[i] for i in rows]
    sequences = [torch.tensor(fraction) for document in chosen for fraction in document.fractions]
    input_ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=pad)
    lengths = tuple(map(len, sequences))
    return MicroBatch(
        input_ids=input_ids,
        lengths=lengths,
        real_tokens=RealTokens.of(lengths, input_ids.shape[1]) if unpadded else None,
        fractions=tuple(len(document.fractions) for document in chosen),
        labels=torch.tensor([document.label for document in chosen]),
        rows=tuple(rows),
    )
