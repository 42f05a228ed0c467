"""Fine-tuning (Sun et al. 2019, 5.2): train all weights, keep the best epoch, predict the test documents."""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed

from tcstudy.catalog.encoders import longest_input
from tcstudy.corpora.loading import Corpus
from tcstudy.encoding.batches import MicroBatch, collate, plan_micro_batches
from tcstudy.encoding.tokens import Document, load_vocabulary, read_documents
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder, weights_digest
from tcstudy.settings import Settings
from tcstudy.spec import RunSpec
from tcstudy.training.devices import (
    device_name,
    make_accelerator,
    peak_memory,
    reset_peak_memory,
    usual_micro_batch_tokens,
)
from tcstudy.training.loop import Diverged, fit
from tcstudy.training.optim import make_optimizer
from tcstudy.training.outcome import Evaluation, Outcome


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
            logits = model(batch.to(self.accelerator.device))
            parts.append((list(batch.rows), logits.softmax(dim=-1).cpu().numpy()))
        if self.accelerator.num_processes > 1:
            parts = gather_object(parts)
        probabilities = np.empty((len(documents), model.output.out_features), dtype=np.float32)
        for rows, values in parts:
            probabilities[rows] = values
        return probabilities


def finetune(spec: RunSpec, corpus: Corpus) -> Outcome:
    """Train and test the model that `spec` describes on `corpus`; all randomness comes from `spec.seed`.

    Raises:
        StudyError: the encoder cannot be had or does not fit the spec.
    """
    accelerator = make_accelerator()
    vocabulary = load_vocabulary(spec.encoder)
    budget = Settings.read().micro_batch_tokens or usual_micro_batch_tokens(accelerator)
    engine = Engine(accelerator, budget, vocabulary.pad)
    set_seed(spec.seed)
    model, digest, made_new = build_model(spec, len(corpus.facts.classes), budget)
    model.to(accelerator.device)
    set_seed(spec.seed + accelerator.process_index)  # processes start from equal weights and drop out differently

    train = read_documents(corpus.train, vocabulary, spec.window)
    on_test = spec.protocol.selection == "test"
    selection = read_documents(corpus.test if on_test else corpus.validation, vocabulary, spec.window)
    steps_per_epoch = math.ceil(len(train) / spec.training.batch_size)
    optimizer, schedule = make_optimizer(model, spec.training, spec.protocol, steps_per_epoch * spec.training.epochs)
    clip_norm = spec.training.clip_norm if spec.protocol.optimizer == "adamw" else None  # BERTAdam clips by itself

    reset_peak_memory(accelerator)
    outcome = Outcome(
        encoder_digest=digest,
        made_new=made_new,
        device=device_name(accelerator),
        processes=accelerator.num_processes,
    )
    best, best_weights = None, None
    clock = time.perf_counter()
    try:
        batches = epoch_batches(train, spec.training.batch_size, spec.training.epochs, spec.seed, engine)
        for step in fit(model, batches, cross_entropy_part, optimizer, schedule, accelerator, clip_norm):
            outcome.losses.append(step.loss)
            outcome.tokens += step.tokens
            outcome.padded_tokens += step.padded_tokens
            if step.number % steps_per_epoch == 0:
                outcome.training_seconds += time.perf_counter() - clock
                clock = time.perf_counter()
                evaluation = evaluate(engine.predict(model, selection), selection, step.number, steps_per_epoch)
                outcome.evaluations.append(evaluation)
                if best is None or (evaluation.error, evaluation.loss) < (best.error, best.loss):
                    best, best_weights = evaluation, copy.deepcopy(model.state_dict())
                outcome.evaluation_seconds += time.perf_counter() - clock
                clock = time.perf_counter()
    except Diverged as diverged:
        outcome.training_seconds += time.perf_counter() - clock
        outcome.diverged_at = diverged.step
    else:
        model.load_state_dict(best_weights)
        outcome.best_epoch = best.epoch
        outcome.test = read_documents(corpus.test, vocabulary, spec.window)
        outcome.probabilities = engine.predict(model, outcome.test)
        outcome.evaluation_seconds += time.perf_counter() - clock
    outcome.peak_memory_bytes = peak_memory(accelerator)
    return outcome


def build_model(spec: RunSpec, classes: int, budget: int) -> tuple[TextClassifier, str, tuple[str, ...]]:
    """The model of `spec` before training, the digest of its encoder, and the encoder's weights that were made new."""
    pretrained = load_encoder(spec.encoder, spec.training.dropout, spec.features.pooler)
    encoder = pretrained.body
    digest = weights_digest(encoder)
    # facts of an encoder of the hub are known only now
    spec.check_encoder(encoder.config.num_hidden_layers, longest_input(encoder.config.to_dict()))
    model = TextClassifier(encoder, classes, spec.features, spec.window.method, spec.training.dropout, budget)
    return model, digest, pretrained.made_new


def epoch_batches(
    documents: Sequence[Document], batch_size: int, epochs: int, seed: int, engine: Engine
) -> Iterator[list[MicroBatch]]:
    """The optimiser's batches of all epochs, each as micro-batches: every document once an epoch, in a new order."""
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(documents))
        for start in range(0, len(order), batch_size):
            yield engine.micro_batches([documents[i] for i in order[start : start + batch_size]])


def cross_entropy_part(model: TextClassifier, micro_batch: MicroBatch, batch: Sequence[MicroBatch]) -> torch.Tensor:
    """A micro-batch's part of the mean cross-entropy over the documents of its batch."""
    documents = sum(len(part.rows) for part in batch)
    return torch.nn.functional.cross_entropy(model(micro_batch), micro_batch.labels, reduction="sum") / documents


def evaluate(probabilities: np.ndarray, documents: Sequence[Document], step: int, steps_per_epoch: int) -> Evaluation:
    """Error rate and mean cross-entropy of predicted `probabilities`, shape (documents, classes).

    Raises:
        Diverged: a probability is not a finite number, after an update that ruined the weights.
    """
    if not np.isfinite(probabilities).all():
        raise Diverged(step)
    labels = np.array([document.label for document in documents])
    of_label = probabilities[np.arange(len(labels)), labels]
    return Evaluation(
        step=step,
        epoch=step // steps_per_epoch,
        error=float(np.mean(probabilities.argmax(axis=1) != labels)),
        loss=float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean()),
    )
