"""Fine-tuning (Sun et al. 2019, 5.2): train, keep the best epoch, predict the test documents."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed

from tcstudy.catalog.encoders import longest_input
from tcstudy.corpora.loading import Corpus
from tcstudy.encoding.batches import MicroBatch
from tcstudy.encoding.documents import Document, read_documents
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder, weights_digest
from tcstudy.models.lora import add_lora
from tcstudy.models.multitask import take_classifier
from tcstudy.spec import RunSpec
from tcstudy.spec.extensions import extension
from tcstudy.training.checkpoint import NOWHERE, Checkpoint, StateFile, trained_weights
from tcstudy.training.devices import (
    device_name,
    make_accelerator,
    micro_batch_tokens,
    peak_memory,
    reset_peak_memory,
)
from tcstudy.training.engine import Engine
from tcstudy.training.forgetting import forgetting
from tcstudy.training.loop import Diverged, fit, shown
from tcstudy.training.optim import make_optimizer, overall_clip_norm
from tcstudy.training.outcome import Evaluation, Outcome


def finetune(spec: RunSpec, corpus: Corpus, state: Path | None = None) -> Outcome:
    """Train and test the model that `spec` describes on `corpus`; all randomness comes from `spec.seed`.

    A training that was killed continues from its `state`, a file that the caller removes; None keeps none.

    Raises:
        StudyError: the encoder is not available or does not fit the spec.
    """
    accelerator = make_accelerator()
    vocabulary = load_vocabulary(spec.encoder)
    set_seed(spec.seed)
    model, digest, made_new = build_model(spec, len(corpus.facts.classes), micro_batch_tokens(accelerator))
    engine = Engine.of(model.encoder, vocabulary.pad, accelerator)
    model.to(accelerator.device)
    set_seed(spec.seed + accelerator.process_index)  # processes start from equal weights and drop out differently

    train = read_documents(corpus.train, vocabulary, spec.window)
    on_test = spec.protocol.selection == "test"
    selection = read_documents(corpus.test if on_test else corpus.validation, vocabulary, spec.window)
    reset_peak_memory(accelerator)
    outcome = Outcome(digest, made_new, device_name(accelerator), accelerator.num_processes)
    origin = " ".join([digest, corpus.report.train.digest, corpus.report.test.digest])
    best_weights = train_and_select(spec, model, train, selection, engine, outcome, StateFile(state, origin))
    if best_weights is not None:
        model.load_state_dict(best_weights, strict=False)  # a frozen encoder is as it was
        outcome.test = read_documents(corpus.test, vocabulary, spec.window)
        with outcome.evaluating():
            outcome.probabilities = engine.predict(model, outcome.test)
            if (text := spec.measures.general_text) is not None:
                after = model.encoder.state_dict()
                outcome.forgetting = forgetting(spec.encoder, after, text, vocabulary, engine)
    outcome.count_memory(peak_memory(accelerator))
    return outcome


def build_model(spec: RunSpec, classes: int, budget: int) -> tuple[TextClassifier, str, tuple[str, ...]]:
    """The model of `spec` before training, the digest of its encoder, and the encoder's weights that were made new."""
    training = spec.training
    pretrained = load_encoder(spec.encoder, training.dropout, spec.features.pooler)
    encoder = pretrained.body
    digest = weights_digest(encoder)
    # facts of an encoder of the hub are known only now
    spec.check_encoder(encoder.config.num_hidden_layers, longest_input(encoder.config.to_dict()))
    model = TextClassifier(
        encoder, classes, spec.features, spec.window.method, training.dropout, budget, training.frozen
    )
    if training.lora is not None:
        add_lora(model.encoder, training.lora)
    take_classifier(model, spec.encoder, spec.data.name)
    return model, digest, pretrained.made_new


def train_and_select(
    spec: RunSpec,
    model: TextClassifier,
    train: Sequence[Document],
    selection: Sequence[Document],
    engine: Engine,
    outcome: Outcome,
    state: StateFile = NOWHERE,
) -> dict[str, torch.Tensor] | None:
    """Train `model`, from where `state` is if it has one, and note in `outcome` what happens on the way.

    Returns:
        The trained weights after the best epoch on `selection` (`Outcome.best`); None if the run diverged.
    """
    training, every = spec.training, spec.measures.every
    steps_per_epoch = math.ceil(len(train) / training.batch_size)
    optimizer, schedule = make_optimizer(model, training, spec.protocol, steps_per_epoch * training.epochs)
    clip_norm = overall_clip_norm(training, spec.protocol)
    checkpoint = Checkpoint(state, model, optimizer, schedule, engine.accelerator)
    done, best_weights = 0, None
    if saved := checkpoint.restore():
        done, best_weights = saved.step, saved.kept
        outcome.go_on(saved.counters)
    batches = epoch_batches(train, training.batch_size, range(training.epochs), spec.seed, engine, done)
    plan, labels = engine.plan(selection), [document.label for document in selection]
    outcome.begin()
    try:
        loss_of = loss_part(training.loss)
        steps = fit(model, batches, loss_of, optimizer, schedule, engine.accelerator, clip_norm, done)
        for step in shown(steps, steps_per_epoch * training.epochs, f"{spec.data.name}, seed {spec.seed}", done):
            outcome.count(step)
            epoch_ends = step.number % steps_per_epoch == 0
            if epoch_ends or (every is not None and step.number % every == 0):
                with outcome.evaluating():
                    evaluation = evaluate(engine.predict(model, selection, plan), labels, step.number, steps_per_epoch)
                if every is not None and evaluation is not None:
                    outcome.points.append(evaluation)
                if epoch_ends:
                    if evaluation is None:
                        raise Diverged(step.number)
                    outcome.evaluations.append(evaluation)
                    if evaluation is outcome.best:
                        best_weights = {name: weight.clone() for name, weight in trained_weights(model).items()}
            if checkpoint.due:
                outcome.take_time()
                outcome.count_memory(peak_memory(engine.accelerator))
                checkpoint.save(step.number, outcome.counters(), best_weights)
    except Diverged as diverged:
        outcome.diverged_at = diverged.step
        best_weights = None
    else:
        outcome.best_epoch = outcome.best.epoch
    checkpoint.wait()
    outcome.take_time()
    return best_weights


def epoch_batches(
    documents: Sequence[Document], batch_size: int, epochs: Iterable[int], seed: int, engine: Engine, done: int = 0
) -> Iterator[list[MicroBatch]]:
    """The optimiser's batches of all epochs, each as micro-batches: every document once an epoch, in a new order.

    The first `done` batches, made before an interruption, are passed over.
    """
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(len(documents)) for _ in epochs)
    batches = (order[start : start + batch_size] for order in orders for start in range(0, len(order), batch_size))
    for batch in itertools.islice(batches, done, None):
        yield engine.micro_batches([documents[i] for i in batch])


def cross_entropy_part(model: TextClassifier, micro_batch: MicroBatch, batch: Sequence[MicroBatch]) -> torch.Tensor:
    """A micro-batch's part of the mean cross-entropy over the documents of its batch."""
    documents = sum(len(part.rows) for part in batch)
    return torch.nn.functional.cross_entropy(model(micro_batch), micro_batch.labels, reduction="sum") / documents


def loss_part(name: str) -> Callable[[TextClassifier, MicroBatch, Sequence[MicroBatch]], torch.Tensor]:
    """A micro-batch's part of the mean over its batch's documents of the loss of that name.

    Raises:
        StudyError: it is one of one's own that is not known here; or, when it is used, does not give a value for each
            document.
    """
    if name == "cross-entropy":
        return cross_entropy_part
    of_documents = extension("loss", name)

    def part(model: TextClassifier, micro_batch: MicroBatch, batch: Sequence[MicroBatch]) -> torch.Tensor:
        documents = sum(len(part.rows) for part in batch)
        losses = of_documents(model(micro_batch), micro_batch.labels)
        if losses.shape != micro_batch.labels.shape:
            raise StudyError(
                f"The loss {name} returns values of shape {tuple(losses.shape)} for {len(micro_batch.labels)} "
                'documents: it has to return one for each, as cross_entropy does with reduction="none".'
            )
        return losses.sum() / documents

    return part


def evaluate(probabilities: np.ndarray, labels: Sequence[int], step: int, steps_per_epoch: int) -> Evaluation | None:
    """What predicted `probabilities`, shape (documents, classes), are worth beside `labels` after update `step`.

    None if one of them is not a finite number, after an update that ruined the weights: at the end of an epoch the run
    has diverged then; in between, training has to notice by itself, so that measuring decides nothing.
    """
    if not np.isfinite(probabilities).all():
        return None
    return Evaluation.of(probabilities, labels, step, step // steps_per_epoch)
