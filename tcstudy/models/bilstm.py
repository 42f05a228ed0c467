"""A biLSTM with self-attention over the states of all tokens: what the paper's BERT-Feat reads with (5.4.3)."""

import torch
from torch import nn

from tcstudy.catalog.limits import BILSTM_UNITS
from tcstudy.encoding.batches import MicroBatch, Rectangle
from tcstudy.encoding.real_tokens import moved, real_places
from tcstudy.models.hierarchy import SelfAttentionPooling


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
