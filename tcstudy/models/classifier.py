"""The classifier: p(c | h) = softmax(W h), h the `[CLS]` state of the encoder (Sun et al. 2019, 3)."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from tcstudy.encoding.batches import MicroBatch
from tcstudy.models.encoder import keep_layers
from tcstudy.models.hierarchy import pooling_for, split_by_document
from tcstudy.models.layers import join_layers, joined_width
from tcstudy.spec import FeatureSpec, Method


class TextClassifier(nn.Module):
    """Encoder, the layers it is read at, pooling over fractions, dropout and one linear layer.

    Args:
        encoder: body of a BERT-like model; layers above the highest one read are dropped from it.
        classes: number of classes.
        features: layers read and how they are joined.
        method: a method of Table 2, which decides the pooling over fractions.
        dropout: probability before the linear layer.
        budget: padded tokens that go through the encoder at once. Of a micro-batch that is larger (one very long
            document), each piece is computed again on the way back, so that memory is bounded by the budget.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        classes: int,
        features: FeatureSpec,
        method: Method,
        dropout: float,
        budget: int,
    ) -> None:
        super().__init__()
        depth = encoder.config.num_hidden_layers
        self.layers = features.layers or (depth - 1,)
        self.join = features.join
        self.pooler = features.pooler
        self.budget = budget
        if max(self.layers) < depth - 1:
            keep_layers(encoder, max(self.layers) + 1)
        self.encoder = encoder
        width = joined_width(encoder.config.hidden_size, len(self.layers), self.join)
        self.pooling = pooling_for(method, width)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, classes)
        for layer in [self.output, *self.pooling.modules()]:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.output.bias)

    def forward(self, batch: MicroBatch) -> torch.Tensor:
        """Logits of the documents of `batch`, shape (documents, classes)."""
        rows = max(1, self.budget // batch.input_ids.shape[1])
        pieces = list(zip(batch.input_ids.split(rows), batch.attention_mask.split(rows), strict=True))
        if len(pieces) > 1 and torch.is_grad_enabled():
            states = [checkpoint(self._cls_states, ids, mask, use_reentrant=False) for ids, mask in pieces]
        else:
            states = [self._cls_states(ids, mask) for ids, mask in pieces]
        document = self.pooling(*split_by_document(torch.cat(states), batch.fractions))  # (documents, width)
        return self.output(self.dropout(document))

    def _cls_states(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Joined `[CLS]` states of the fractions, shape (fractions, joined width)."""
        several = len(self.layers) > 1
        encoded = self.encoder(input_ids, attention_mask=attention_mask, output_hidden_states=several)
        if self.pooler:
            return encoded.pooler_output
        if several:  # hidden_states[0] are the embeddings
            return join_layers([encoded.hidden_states[layer + 1][:, 0] for layer in self.layers], self.join)
        return encoded.last_hidden_state[:, 0]
