"""What a fine-tuning leaves behind."""

from dataclasses import dataclass, field

import numpy as np

from tcstudy.encoding.tokens import Document
from tcstudy.value import Value


class Evaluation(Value):
    """Error rate (a share) and mean loss on the selection split at the end of `epoch`, after `step` updates."""

    step: int
    epoch: int
    error: float
    loss: float


@dataclass
class Outcome:
    """Outcome and cost of one fine-tuning.

    Attributes:
        encoder_digest: of the pre-trained weights.
        made_new: weights of the encoder that its checkpoint lacks.
        device: name of the device.
        processes: how many took part.
        losses: mean training loss of each update.
        evaluations: one for each epoch, on the selection split.
        best_epoch: the epoch that is tested, from 1; None if the run diverged.
        diverged_at: the update whose loss was not finite, or None.
        test: the test documents.
        probabilities: of the test documents, shape (documents, classes); None if the run diverged.
        tokens, padded_tokens: trained on, over all epochs.
        training_seconds, evaluation_seconds: by the wall clock.
        peak_memory_bytes: on a GPU of this run; on a CPU of the whole process so far.
    """

    encoder_digest: str
    made_new: tuple[str, ...]
    device: str
    processes: int
    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    best_epoch: int | None = None
    diverged_at: int | None = None
    test: list[Document] = field(default_factory=list)
    probabilities: np.ndarray | None = None
    tokens: int = 0
    padded_tokens: int = 0
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    peak_memory_bytes: int = 0
