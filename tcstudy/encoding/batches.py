"""Micro-batches: an optimiser's batch walked in pieces of similar length, so that little is padding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch

from tcstudy.encoding.tokens import Document

GROUP_TOKENS = 48
"""The tokens that would go through an encoder in the time that a group takes besides its own, measured on a CPU."""


@dataclass(frozen=True)
class MicroBatch:
    """Documents that go through the encoder together.

    Attributes:
        input_ids: shape (fractions, length), padded.
        attention_mask: shape (fractions, length), 1 on real tokens.
        fractions: number of fractions of each document, in row order, sums to `input_ids.shape[0]`.
        labels: shape (documents,).
        rows: place of each document in the list it was taken from.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    fractions: tuple[int, ...]
    labels: torch.Tensor
    rows: tuple[int, ...]

    def to(self, device: torch.device) -> "MicroBatch":
        """The same on `device`."""
        return MicroBatch(
            self.input_ids.to(device, non_blocking=True),
            self.attention_mask.to(device, non_blocking=True),
            self.fractions,
            self.labels.to(device, non_blocking=True),
            self.rows,
        )

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

    def to(self, device: torch.device) -> Self: ...  # noqa: D102
    def halves(self) -> list[Self]: ...  # noqa: D102


def plan_micro_batches(documents: Sequence[Sized], budget: int) -> list[list[int]]:
    """Group documents, longest first, so that no group pads to more than `budget` tokens and least time is lost.

    What is lost is the padding, and for each group what it takes besides its tokens, `GROUP_TOKENS`. The groups with
    the least of both are found by dynamic programming. A document that is over the budget by itself makes a group of
    its own. Every document is in exactly one group.

    Returns:
        Indices into `documents`, one list for each group.
    """
    order = sorted(range(len(documents)), key=lambda i: (-documents[i].longest, -documents[i].tokens, i))
    least, begins = [0], [0]  # of the first documents: tokens with padding and groups, where their last group begins
    for end in range(1, len(order) + 1):
        rows, best, begin = 0, math.inf, end - 1
        for start in range(end - 1, -1, -1):
            first = documents[order[start]]  # the longest of the group
            rows += first.rows
            padded = rows * first.longest
            if padded > budget and start < end - 1:
                break
            if least[start] + padded + GROUP_TOKENS < best:
                best, begin = least[start] + padded + GROUP_TOKENS, start
        least.append(best)
        begins.append(begin)
    groups, end = [], len(order)
    while end:
        groups.append(order[begins[end] : end])
        end = begins[end]
    return groups[::-1]


def collate(documents: Sequence[Document], rows: Sequence[int], pad: int) -> MicroBatch:
    """Pad the fractions of the documents at `rows` to one rectangle."""
    chosen = [documents[i] for i in rows]
    sequences = [torch.tensor(fraction) for document in chosen for fraction in document.fractions]
    input_ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return MicroBatch(
        input_ids=input_ids,
        attention_mask=(torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
        fractions=tuple(len(document.fractions) for document in chosen),
        labels=torch.tensor([document.label for document in chosen]),
        rows=tuple(rows),
    )
