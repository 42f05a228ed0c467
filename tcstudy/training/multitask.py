"""Multi-task fine-tuning: every update is a batch of one task (Sun et al. 2019, 4.3 and 5.5)."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from accelerate.utils import set_seed
from transformers.utils.logging import disable_progress_bar

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.batches import MicroBatch
from tcstudy.encoding.documents import Document, read_documents
from tcstudy.encoding.tokens import load_vocabulary, save_tokenizer
from tcstudy.errors import StudyError
from tcstudy.models.encoder import load_encoder, weights_digest
from tcstudy.models.multitask import MultitaskClassifier
from tcstudy.spec import EncoderSpec, MultitaskSpec
from tcstudy.training.checkpoint import Checkpoint, StateFile
from tcstudy.training.devices import device_name, make_accelerator, peak_memory, reset_peak_memory
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import cross_entropy_part, epoch_batches
from tcstudy.training.loop import Diverged, fit, shown
from tcstudy.training.optim import make_optimizer, overall_clip_norm
from tcstudy.training.outcome import StageOutcome


@dataclass(frozen=True)
class TaskBatch:
    """A micro-batch of one task."""

    task: str
    batch: MicroBatch

    @property
    def tokens(self) -> int:
        """Real tokens of its documents."""
        return self.batch.tokens

    @property
    def computed_tokens(self) -> int:
        """Tokens that go through the encoder."""
        return self.batch.computed_tokens

    def to(self, device: torch.device) -> Self:
        """The same on `device`."""
        return type(self)(self.task, self.batch.to(device))

    def halves(self) -> list[Self]:
        """The first and the second half of its documents; itself where there is one only."""
        return [type(self)(self.task, half) for half in self.batch.halves()]


def train_multitask(spec: EncoderSpec, folder: Path, state: Path | None = None) -> StageOutcome:
    """Make the encoder of `spec`, whose last stage is a multi-task fine-tuning, out of the one before it.

    It is left in `folder`, a Hugging Face folder with tokenizer and the tasks' classifiers. A training that was killed
    continues from its `state`, a file that the caller removes; None keeps none.

    Raises:
        StudyError: data or encoder is not available, or the loss stopped being a finite number.
    """
    stage: MultitaskSpec = spec.stages[-1]
    training = stage.training
    accelerator, vocabulary = make_accelerator(), load_vocabulary(spec)
    corpora = {task.name: load_corpus(task) for task in stage.tasks}
    classes = {name: len(corpus.facts.classes) for name, corpus in corpora.items()}
    set_seed(stage.seed)
    encoder = load_encoder(spec.before, training.dropout).body
    engine = Engine.of(encoder, vocabulary.pad, accelerator)
    outcome = StageOutcome(weights_digest(encoder), (), device_name(accelerator), accelerator.num_processes)
    model = MultitaskClassifier(encoder, classes, stage.window.method, training.dropout, engine.budget, training.frozen)
    model.to(accelerator.device)
    set_seed(stage.seed + accelerator.process_index)  # processes start from equal weights and drop out differently

    documents = {name: read_documents(corpus.train, vocabulary, stage.window) for name, corpus in corpora.items()}
    steps = training.epochs * sum(math.ceil(len(own) / training.batch_size) for own in documents.values())
    optimizer, schedule = make_optimizer(model, training, stage.protocol, steps)
    reset_peak_memory(accelerator)
    clip_norm = overall_clip_norm(training, stage.protocol)
    origin = " ".join([outcome.encoder_digest, *(corpus.report.train.digest for corpus in corpora.values())])
    checkpoint = Checkpoint(StateFile(state, origin), model, optimizer, schedule, accelerator)
    done = 0
    if saved := checkpoint.restore():
        done = saved.step
        outcome.go_on(saved.counters)
    batches = itertools.islice(task_batches(stage, documents, engine, done), steps - done)
    outcome.begin()
    try:
        updates = fit(model, batches, task_part, optimizer, schedule, accelerator, clip_norm, done)
        for step in shown(updates, steps, "multi-task training", done):
            outcome.count(step)
            if checkpoint.due:
                outcome.take_time()
                outcome.count_memory(peak_memory(accelerator))
                checkpoint.save(step.number, outcome.counters())
    except Diverged as diverged:
        raise StudyError(
            f"Multi-task training diverged at step {diverged.step}: a lower learning_rate is needed."
        ) from None
    checkpoint.wait()
    outcome.take_time()
    outcome.count_memory(peak_memory(accelerator))
    if accelerator.is_main_process:
        disable_progress_bar()
        encoder.save_pretrained(folder)
        model.save_classifiers(folder)
        save_tokenizer(spec, folder)
    return outcome


def task_batches(
    stage: MultitaskSpec, documents: Mapping[str, Sequence[Document]], engine: Engine, done: int = 0
) -> Iterator[list[TaskBatch]]:
    """Batches of one task each, endlessly; within a task every document comes once in each pass over it.

    The first `done` batches, made before an interruption, are passed over.
    """
    generator = np.random.default_rng([stage.seed, 1])
    batch_size = stage.training.batch_size
    shares = sampling_shares({name: len(own) for name, own in documents.items()}, stage.sampling)
    tasks = (str(generator.choice(list(shares), p=list(shares.values()))) for _ in itertools.count())
    before = Counter(itertools.islice(tasks, done))
    passes = {
        name: epoch_batches(own, batch_size, itertools.count(), stage.seed, engine, before[name])
        for name, own in documents.items()
    }
    for task in tasks:
        yield [TaskBatch(task, micro_batch) for micro_batch in next(passes[task])]


def sampling_shares(sizes: Mapping[str, int], rule: str) -> dict[str, float]:
    """How often each task's batches come: in proportion to its documents, to their square root, or equally.

    >>> sampling_shares({"a": 1, "b": 9}, "square root")
    {'a': 0.25, 'b': 0.75}
    """
    power = {"proportional": 1.0, "square root": 0.5, "uniform": 0.0}[rule]
    weights = {name: size**power for name, size in sizes.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def task_part(model: MultitaskClassifier, micro_batch: TaskBatch, batch: Sequence[TaskBatch]) -> torch.Tensor:
    """A micro-batch's part of its batch's loss, by the classifier of its task."""
    return cross_entropy_part(model.classifiers[micro_batch.task], micro_batch.batch, [part.batch for part in batch])
