"""The classifier: p(c | h) = softmax(W h), h the document's state, read from the encoder (Sun et al. 2019, 3)."""

from dataclasses import replace

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from tcstudy.encoding.batches import MicroBatch, Rectangle
from tcstudy.models.encoder import read_at
from tcstudy.models.readers import BiLSTMReader, join_layers, joined_width, pooling_for, split_by_document
from tcstudy.spec import FeatureSpec
from tcstudy.spec.extensions import extension


class FractionReader(nn.Module):
    """From one state of each fraction of a document to one state, by the pooling of a method of Table 2.

    Args:
        width: of a state.
        method: which pooling.

    Attributes:
        width: of a document's state, the same.
    """

    def __init__(self, width: int, method: str) -> None:
        super().__init__()
        self.width = width
        self.pooling = pooling_for(method, width)

    def select(self, states: torch.Tensor, piece: Rectangle) -> torch.Tensor:
        """Of states (fractions, length, width) of `piece` one a fraction, shape (fractions, width).

        `piece.attention_mask` has 1 on tokens and 0 on padding, shape (fractions, length).
        """
        raise NotImplementedError

    def forward(self, states: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        """Selected states (fractions, width) of `batch` to (documents, width)."""
        return self.pooling(*split_by_document(states, batch.fractions))


class ClsReader(FractionReader):
    """Reads the state of `[CLS]`, the first token."""

    def select(self, states: torch.Tensor, piece: Rectangle) -> torch.Tensor:
        """Of states (fractions, length, width) of `piece` those of `[CLS]`, shape (fractions, width)."""
        return states[:, 0]


class MeanReader(FractionReader):
    """Reads the mean of the states of all tokens, as sentence encoders do (Reimers and Gurevych 2019)."""

    def select(self, states: torch.Tensor, piece: Rectangle) -> torch.Tensor:
        """Of states (fractions, length, width) of `piece` their means over tokens, shape (fractions, width)."""
        mask = piece.attention_mask.to(states)[..., None]
        return (states * mask).sum(dim=1) / mask.sum(dim=1)


def reader_for(name: str, width: int, method: str) -> nn.Module:
    """The reader of that name, for states of `width` and a window method.

    Raises:
        StudyError: it is one of one's own that is not known here.
    """
    match name:
        case "cls":
            return ClsReader(width, method)
        case "mean":
            return MeanReader(width, method)
        case "bilstm":
            return BiLSTMReader(width)
        case _:
            return extension("reader", name)(width, method)


class TextClassifier(nn.Module):
    """Encoder, the layers it is read at, what reads them, dropout and one linear layer.

    Args:
        encoder: body of a BERT-like model; layers above the highest one read are dropped from it.
        classes: number of classes.
        features: layers read, how they are joined and what reads them.
        method: a method of Table 2, which decides how `[CLS]` of several fractions are pooled.
        dropout: probability before the linear layer.
        budget: tokens that go through the encoder at once. Of a micro-batch that is larger (one very long
            document), each piece is computed again on the way back, so that memory is bounded by the budget.
        frozen: the encoder is not trained and drops nothing out.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        classes: int,
        features: FeatureSpec,
        method: str,
        dropout: float,
        budget: int,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        depth = encoder.config.num_hidden_layers
        self.layers = features.layers or (depth - 1,)
        self.join = features.join
        self.pooler = features.pooler
        self.budget = budget
        self.frozen = frozen
        read_at(encoder, max(self.layers))
        if frozen:
            encoder.requires_grad_(False)
        self.encoder = encoder
        width = joined_width(encoder.config.hidden_size, len(self.layers), self.join)
        self.reader = reader_for(features.reader, width, method)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.reader.width, classes)
        for layer in [self.output, *self.reader.modules()]:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.output.bias)

    def train(self, mode: bool = True) -> "TextClassifier":
        """Switch dropout on or off; a frozen encoder's stays off."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, batch: MicroBatch) -> torch.Tensor:
        """Logits of the documents of `batch`, shape (documents, classes)."""
        document = self.reader(self._encode(batch), batch)  # (documents, width)
        return self.output(self.dropout(document))

    def _encode(self, batch: MicroBatch) -> torch.Tensor:
        """The states of all fractions that the reader selects, shape (fractions or tokens, joined width)."""
        pieces = batch.within(self.budget)
        on_the_way_back = torch.is_grad_enabled() and not self.frozen
        with torch.set_grad_enabled(on_the_way_back):
            if len(pieces) > 1 and on_the_way_back:
                states = [checkpoint(self._joined_states, piece, use_reentrant=False) for piece in pieces]
            else:
                states = [self._joined_states(piece) for piece in pieces]
        return torch.cat(states)

    def _joined_states(self, piece: Rectangle) -> torch.Tensor:
        """What the reader selects of some fractions, layers joined, shape (fractions or tokens, joined width)."""
        several = len(self.layers) > 1
        if piece.real_tokens is not None:
            real = replace(piece.real_tokens, first_only=isinstance(self.reader, ClsReader))
            encoded = self.encoder(piece.input_ids, output_hidden_states=several, real_tokens=real)
        else:
            encoded = self.encoder(piece.input_ids, attention_mask=piece.attention_mask, output_hidden_states=several)
        if self.pooler:
            return encoded.pooler_output
        if not several:
            return self.reader.select(encoded.last_hidden_state, piece)
        read = [encoded.hidden_states[layer + 1] for layer in self.layers]  # hidden_states[0] are the embeddings
        if piece.real_tokens is not None:
            read = [
                real.pad(states) if layer < max(self.layers) else states
                for layer, states in zip(self.layers, read, strict=True)
            ]
        return join_layers([self.reader.select(states, piece) for states in read], self.join)
