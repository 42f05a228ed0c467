"""From an encoder's states to one state of a document (Sun et al. 2019, 5.3 and 5.4.3).

Layers are joined; fractions of a document are pooled by mean, max or self-attention, each of which leaves a document of
one fraction as it is; a biLSTM reads the states of all tokens.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from tcstudy.catalog.limits import BILSTM_UNITS
from tcstudy.encoding.batches import MicroBatch, Rectangle
from tcstudy.encoding.real_tokens import moved, real_places
from tcstudy.errors import StudyError

Join = Literal["concat", "mean", "max"]


def layer_stack(encoder: PreTrainedModel) -> torch.nn.ModuleList:
    """The Transformer layers of an encoder, lowest first, wherever its family keeps them.

    Raises:
        StudyError: it has no single stack of them.
    """
    stacks = [
        module
        for module in encoder.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == encoder.config.num_hidden_layers
    ]
    if len(stacks) != 1:
        raise StudyError(f"{type(encoder).__name__} has no single stack of layers.")
    return stacks[0]


def join_layers(states: list[torch.Tensor], how: Join) -> torch.Tensor:
    """Join the `[CLS]` states of several layers.

    Args:
        states: one tensor of shape (rows, width) for each layer.
        how: concat gives shape (rows, layers * width), mean and max give (rows, width).
    """
    if how == "concat":
        return torch.cat(states, dim=-1)
    stacked = torch.stack(states)  # (layers, rows, width)
    return stacked.mean(dim=0) if how == "mean" else stacked.amax(dim=0)


def joined_width(width: int, layers: int, how: Join) -> int:
    """Size of the joined state of `layers` layers of `width`."""
    return width * layers if how == "concat" else width


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


class BiLSTMReader(nn.Module):
    """From the states of all tokens of a document to one state: biLSTM, then self-attention (Lin et al. 2017).

    The tokens of a document's fractions are read one after another, `[CLS]` and `[SEP]` included.

    Args:
        width: of a token's state.

    Attributes:
        width: of a document's state, the biLSTM's both directions.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * BILSTM_UNITS
        self.lstm = nn.LSTM(width, BILSTM_UNITS, batch_first=True, bidirectional=True)
        self.pooling = SelfAttentionPooling(self.width)

    def select(self, states: torch.Tensor, piece: Rectangle) -> torch.Tensor:
        """Of states (fractions, length, width) of `piece` those of real tokens, in order, shape (tokens, width)."""
        places = moved(real_places(piece.lengths, states.shape[1]), states.device)
        return states.flatten(0, 1).index_select(0, places)

    def forward(self, states: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        """Selected states (tokens, width) of `batch` to (documents, 600)."""
        tokens = torch.tensor(batch.lengths).split(list(batch.fractions))
        counts = torch.stack([of_document.sum() for of_document in tokens])
        lengths, order = counts.sort(descending=True)
        most, device = int(lengths[0]), states.device
        # the first tokens of all documents, longest document first, then their second ones and so on, as LSTMs read
        reads = torch.arange(most)[:, None] < lengths
        place, document = reads.nonzero(as_tuple=True)
        begins = (counts.cumsum(0) - counts)[order]
        packed = states.index_select(0, moved(begins[document] + place, device))
        with torch.autocast(device.type, enabled=False):  # a GPU would compute it in fp16, whose gradients vanish
            packed = packed.to(self.lstm.weight_ih_l0.dtype)
            read = self.lstm(nn.utils.rnn.PackedSequence(packed, reads.sum(dim=1)))[0].data
        padded = read.new_zeros(len(order) * most, self.width)
        padded = padded.index_copy(0, moved(order[document] * most + place, device), read)
        mask = moved(torch.arange(most) < counts[:, None], device)
        return self.pooling(padded.view(len(order), most, -1), mask)
