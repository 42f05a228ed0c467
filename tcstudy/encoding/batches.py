"""Micro-batches: an optimiser's batch walked in pieces of similar length, so that little is padding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import torch

from tcstudy.encoding.documents import Document

GROUP_TOKENS = 48
"""The tokens that would go through an encoder in the time that a group takes besides its own, measured on a CPU."""


@dataclass(frozen=True)
class Rectangle:
    """Rows of tokens, padded to the longest.

    Attributes:
        input_ids: shape (rows, length), padded.
        attention_mask: shape (rows, length), 1 on real tokens.
        unpadded: whether the encoder computes real tokens only.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    unpadded: bool

    @property
    def computed_tokens(self) -> int:
        """Tokens that go through the encoder."""
        return int(self.attention_mask.sum()) if self.unpadded else self.attention_mask.numel()

    def to(self, device: torch.device) -> Self:
        """The same on `device`; to a GPU the copy goes on by itself, from pinned memory."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: own for name, own in values.items() if isinstance(own, torch.Tensor)}
        if device.type == "cuda":
            tensors = {name: own.pin_memory() for name, own in tensors.items()}
        return replace(self, **{name: own.to(device, non_blocking=True) for name, own in tensors.items()})


@dataclass(frozen=True)
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
                self.input_ids[fractions],
                self.attention_mask[fractions],
                self.unpadded,
                self.fractions[documents],
                self.labels[documents],
                self.rows[documents],
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

    attention_mask: torch.Tensor

    @property
    def computed_tokens(self) -> int: ...  # noqa: D102
    def to(self, device: torch.device) -> Self: ...  # noqa: D102
    def halves(self) -> list[Self]: ...  # noqa: D102


def plan_micro_batches(documents: Sequence[Sized], budget: int, unpadded: bool = False) -> list[list[int]]:
    """Group documents, longest first, so that no group computes more than `budget` tokens and least time is lost.

    What is lost is the padding, unless it is not computed, and for each group what it takes besides its tokens,
    `GROUP_TOKENS`. The groups with the least of both are found by dynamic programming. A document that is over the
    budget by itself makes a group of its own. Every document is in exactly one group.

    Returns:
        Indices into `documents`, one list for each group.
    """
    order = sorted(range(len(documents)), key=lambda i: (-documents[i].longest, -documents[i].tokens, i))
    least, begins = [0], [0]  # of the first documents: computed tokens and groups, where their last group begins
    for end in range(1, len(order) + 1):
        rows, tokens, best, begin = 0, 0, math.inf, end - 1
        for start in range(end - 1, -1, -1):
            first = documents[order[start]]  # the longest of the group
            rows, tokens = rows + first.rows, tokens + first.tokens
            computed = tokens if unpadded else rows * first.longest
            if computed > budget and start < end - 1:
                break
            if least[start] + computed + GROUP_TOKENS < best:
                best, begin = least[start] + computed + GROUP_TOKENS, start
        least.append(best)
        begins.append(begin)
    groups, end = [], len(order)
    while end:
        groups.append(order[begins[end] : end])
        end = begins[end]
    return groups[::-1]


def collate(documents: Sequence[Document], rows: Sequence[int], pad: int, unpadded: bool = False) -> MicroBatch:
    """The fractions of the documents at `rows` as one rectangle."""
    chosen = [documents[i] for i in rows]
    sequences = [torch.tensor(fraction) for document in chosen for fraction in document.fractions]
    input_ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return MicroBatch(
        input_ids=input_ids,
        attention_mask=(torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
        unpadded=unpadded,
        fractions=tuple(len(document.fractions) for document in chosen),
        labels=torch.tensor([document.label for document in chosen]),
        rows=tuple(rows),
    )
