"""What runs a model on documents: devices, how much goes through at once, prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from tcstudy.encoding.batches import MicroBatch, collate, plan_micro_batches
from tcstudy.encoding.tokens import Document
from tcstudy.models.classifier import TextClassifier


@dataclass(frozen=True)
class Engine:
    """What prediction and training share: devices, padded tokens that go through at once, the id that pads."""

    accelerator: Accelerator
    budget: int
    pad: int

    def micro_batches(self, documents: Sequence[Document]) -> list[MicroBatch]:
        """`documents` in micro-batches of similar length."""
        return [collate(documents, rows, self.pad) for rows in plan_micro_batches(documents, self.budget)]

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
