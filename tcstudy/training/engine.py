"""What runs a model on documents: devices, how much goes through at once, prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from tcstudy.encoding.batches import MicroBatch, collate, plan_micro_batches
from tcstudy.encoding.documents import Document
from tcstudy.encoding.pretraining import MaskedPair, PretrainingBatch, collate_pairs
from tcstudy.models.attention import unpads
from tcstudy.models.classifier import TextClassifier
from tcstudy.training.devices import micro_batch_tokens


@dataclass(frozen=True)
class Engine:
    """What prediction and training share.

    Attributes:
        accelerator: devices, processes and precision.
        budget: tokens that go through an encoder at once.
        pad: the id that pads.
        unpadded: whether the encoder computes real tokens only.
    """

    accelerator: Accelerator
    budget: int
    pad: int
    unpadded: bool = False

    @classmethod
    def of(cls, encoder: PreTrainedModel, pad: int, accelerator: Accelerator) -> Self:
        """The one for `encoder` on this machine."""
        return cls(accelerator, micro_batch_tokens(accelerator), pad, unpads(encoder, accelerator.device))

    def micro_batches(self, documents: Sequence[Document]) -> list[MicroBatch]:
        """`documents` in micro-batches, those of similar length together."""
        plan = plan_micro_batches(documents, self.budget, self.unpadded)
        return [collate(documents, rows, self.pad, self.unpadded) for rows in plan]

    def pair_batches(self, pairs: Sequence[MaskedPair]) -> list[PretrainingBatch]:
        """`pairs` of pre-training in micro-batches, those of similar length together."""
        plan = plan_micro_batches(pairs, self.budget, self.unpadded)
        return [collate_pairs([pairs[i] for i in rows], self.pad, self.unpadded) for rows in plan]

    @torch.inference_mode()
    def predict(self, model: TextClassifier, documents: Sequence[Document]) -> np.ndarray:
        """Class probabilities of `documents`, in their order, shape (documents, classes)."""
        model.eval()
        parts = []
        for batch in self.micro_batches(documents)[self.accelerator.process_index :: self.accelerator.num_processes]:
            with self.accelerator.autocast():
                logits = model(batch.to(self.accelerator.device))
            parts.append((list(batch.rows), logits.float().softmax(dim=-1).cpu().numpy()))
        if self.accelerator.num_processes > 1:
            parts = gather_object(parts)
        probabilities = np.empty((len(documents), model.output.out_features), dtype=np.float32)
        for rows, values in parts:
            probabilities[rows] = values
        return probabilities
