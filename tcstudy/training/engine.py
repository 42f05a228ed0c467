"""What runs a model on documents: devices, how much goes through at once, prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from tcstudy.encoding.batches import MicroBatch, Sized, collate, plan_micro_batches
from tcstudy.encoding.documents import Document
from tcstudy.encoding.pretraining import MaskedPair, PretrainingBatch, collate_pairs
from tcstudy.models.attention import unpads
from tcstudy.models.classifier import TextClassifier
from tcstudy.training.devices import group_tokens_on, micro_batch_tokens


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
        return cls(accelerator, micro_batch_tokens(accelerator), pad, unpads(encoder))

    def micro_batches(self, documents: Sequence[Document]) -> list[MicroBatch]:
        """`documents` in micro-batches, those of similar length together."""
        plan = self.plan(documents, self.accelerator.num_processes)
        return [collate(documents, rows, self.pad, self.unpadded) for rows in plan]

    def pair_batches(self, pairs: Sequence[MaskedPair]) -> list[PretrainingBatch]:
        """`pairs` of pre-training in micro-batches, those of similar length together."""
        plan = self.plan(pairs, self.accelerator.num_processes)
        return [collate_pairs([pairs[i] for i in rows], self.pad, self.unpadded) for rows in plan]

    def plan(self, documents: Sequence[Sized], processes: int = 1) -> list[list[int]]:
        """Which of `documents` go through the encoder together, shared by `processes`."""
        group_tokens = group_tokens_on(self.accelerator)
        return plan_micro_batches(documents, self.budget, self.unpadded, group_tokens, processes)

    @torch.inference_mode()
    def predict(
        self, model: TextClassifier, documents: Sequence[Document], plan: Sequence[Sequence[int]] | None = None
    ) -> np.ndarray:
        """Class probabilities of `documents`, in their order, shape (documents, classes).

        The model is on the accelerator's device. A `plan` of the same documents saves time where they are predicted
        more than once.
        """
        model.eval()
        device, processes = self.accelerator.device, self.accelerator.num_processes
        plan = self.plan(documents) if plan is None else plan
        own = plan[self.accelerator.process_index :: processes]
        parts = [torch.empty(0, model.output.out_features, device=device)]
        for rows in own:
            batch = collate(documents, rows, self.pad, self.unpadded)
            with self.accelerator.autocast():
                logits = model(batch.to(device))
            parts.append(logits.float().softmax(dim=-1))
        found = [([i for rows in own for i in rows], torch.cat(parts).cpu().numpy())]  # waits for a GPU, once
        if processes > 1:
            found = gather_object(found)
        probabilities = np.empty((len(documents), model.output.out_features), dtype=np.float32)
        for rows, values in found:
            probabilities[rows] = values
        return probabilities
