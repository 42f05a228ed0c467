"""A biLSTM with self-attention over the states of all tokens: what the paper's BERT-Feat reads with (5.4.3)."""

import torch
from torch import nn

from tcstudy.catalog.limits import BILSTM_UNITS
from tcstudy.encoding.batches import MicroBatch
from tcstudy.models.hierarchy import SelfAttentionPooling, split_by_document


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

    def select(self, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Of states (fractions, length, width) those of all real tokens, in order, shape (tokens, width)."""
        return states[attention_mask.bool()]

    def forward(self, states: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        """Selected states (tokens, width) of `batch` to (documents, 600)."""
        tokens = batch.attention_mask.sum(dim=1).cpu().split(list(batch.fractions))
        lengths = [int(of_document.sum()) for of_document in tokens]
        padded, mask = split_by_document(states, lengths)  # (documents, most tokens, width)
        packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.pooling(read, mask)
