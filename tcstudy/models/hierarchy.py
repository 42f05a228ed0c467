"""From the states of a document's fractions to one state of the document (Sun et al. 2019, 5.3.1).

Mean, max and self-attention; each leaves a document of one fraction as it is, so the plain classifier is the
hierarchical one with a single fraction.
"""

from collections.abc import Sequence

import torch
from torch import nn

from tcstudy.encoding.real_tokens import moved, real_places


def split_by_document(states: torch.Tensor, fractions: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay the fractions' states out by document.

    Args:
        states: shape (sum of fractions, width), documents in order.
        fractions: number of fractions of each document.

    Returns:
        States padded with zeros, shape (documents, most fractions, width), and the mask of real ones, without width.
    """
    documents, most = len(fractions), max(fractions)
    if most == 1:
        return states[:, None], states.new_ones(documents, 1, dtype=torch.bool)
    mask = moved(torch.arange(most) < torch.tensor(fractions)[:, None], states.device)
    places = moved(real_places(fractions, most), states.device)
    padded = states.new_zeros(documents * most, states.shape[1]).index_copy(0, places, states)
    return padded.view(documents, most, -1), mask


class MeanPooling(nn.Module):
    """Mean of a document's fractions."""

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States (documents, fractions, width) and mask (documents, fractions) to (documents, width)."""
        return states.sum(dim=1) / mask.sum(dim=1, keepdim=True)


class MaxPooling(nn.Module):
    """Largest value of each dimension over a document's fractions."""

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States (documents, fractions, width) and mask (documents, fractions) to (documents, width)."""
        return states.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)


class SelfAttentionPooling(nn.Module):
    """Weighted mean of a document's fractions, a = softmax(v tanh(W h)): Lin et al. (2017) with a single hop.

    The paper names self-attention without a formula; this is the form of the work it cites for it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width, bias=False)  # W
        self.score = nn.Linear(width, 1, bias=False)  # v

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States (documents, fractions, width) and mask (documents, fractions) to (documents, width)."""
        scores = self.score(torch.tanh(self.hidden(states))).squeeze(-1)  # (documents, fractions)
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
        return (weights[..., None] * states).sum(dim=1)


def pooling_for(method: str, width: int) -> nn.Module:
    """The pooling of a method of Table 2; a truncation has one fraction, whose mean is itself."""
    match method:
        case "hierarchical self-attention":
            return SelfAttentionPooling(width)
        case "hierarchical max":
            return MaxPooling()
        case _:
            return MeanPooling()
