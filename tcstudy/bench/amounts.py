"""What is measured with different amounts of work: a matrix product, documents, runs."""

import platform
import time
from pathlib import Path

import numpy as np
import torch

import tcstudy
from tcstudy.bench.results import Timing
from tcstudy.bench.tasks import Task, drawn_documents, peak_memory, wait_for_device
from tcstudy.bench.workloads import START
from tcstudy.corpora.report import DataReport, SplitReport
from tcstudy.encoding.documents import read_documents
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments import BaseRate
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, EncoderSpec, RunSpec, WindowSpec
from tcstudy.study import provenance
from tcstudy.study.plan import plan_pages, sort_runs
from tcstudy.study.record import Cost, LearningCurve, Predictions, Provenance, Record
from tcstudy.study.recorded import recorded
from tcstudy.study.store import Store, sealed
from tcstudy.training.devices import make_accelerator, micro_batch_tokens
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import epoch_batches
from tcstudy.training.outcome import Evaluation, Training

PRODUCTS = 3
TESTED, UPDATES = 1_000, 200
"""Test documents and updates of a run that is made up."""


def multiply(task: Task) -> Timing:
    """Some products of two square float32 matrices, `amount` numbers wide, after one that is not timed."""
    device = make_accelerator().device
    generator = torch.Generator().manual_seed(task.seed)
    left, right = (torch.randn(task.amount, task.amount, generator=generator).to(device) for _ in range(2))
    torch.mm(left, right)
    wait_for_device()
    started = time.perf_counter()
    for _ in range(PRODUCTS):
        torch.mm(left, right)
    wait_for_device()
    seconds = time.perf_counter() - started
    return Timing(seconds=seconds, operations=PRODUCTS * 2 * task.amount**3, peak_memory_bytes=peak_memory())


def tokenise(task: Task) -> Timing:
    """Read `amount` documents: tokenise them and cut them by the window."""
    return _read_and_plan(task)[0]


def plan_batches(task: Task) -> Timing:
    """Go through an epoch of `amount` documents without training: micro-batches planned and padded."""
    return _read_and_plan(task)[1]


def plan_runs(task: Task) -> Timing:
    """Describe a page of `amount` runs, sort out which are left to be made, and say what they cost."""
    started = time.perf_counter()
    runs = runs_of(task).runs()
    store = Store(Settings.read().results / "none")
    pages = sort_runs({"page": runs.values()}, lambda spec: store.path(spec).exists())
    plan_pages(pages)
    return Timing(seconds=time.perf_counter() - started, steps=len(runs), peak_memory_bytes=peak_memory())


def load_records(task: Task) -> Timing:
    """Load the records of a page of `amount` runs."""
    runs = runs_of(task).runs()
    started = time.perf_counter()
    found = recorded(runs)
    return Timing(seconds=time.perf_counter() - started, steps=len(found), peak_memory_bytes=peak_memory())


def runs_of(task: Task) -> BaseRate:
    """A page of `amount` runs."""
    return BaseRate.model_validate(
        {
            "encoder": {"name": task.encoder},
            "data": [{"name": "rotten_tomatoes", "train": 80, "validation": 40, "test": 40}],
            "window": {"length": 16},
            "learning_rates": [2e-5],
            "seeds": list(range(task.amount)),
        }
    )


def made_up_records(encoder: str, number: int, folder: Path) -> None:
    """Write the records of a page of so many runs into `folder`; nothing is trained, their numbers mean nothing."""
    runs = list(runs_of(Task(action="load records", amount=number, encoder=encoder)).runs().values())
    store = Store(folder)
    folder.mkdir(parents=True)
    for spec in runs:
        store.path(spec).write_text(sealed(_made_up(spec)), encoding="utf-8")  # `put` would wait for the disk


def _made_up(spec: RunSpec) -> Record:
    """A record as large as those of a study."""
    generator = np.random.default_rng(spec.seed)
    probabilities = generator.random((TESTED, 2))
    evaluations = [Evaluation(step=50 * epoch, epoch=epoch, error=0.5, loss=0.7) for epoch in range(1, 5)]
    split = SplitReport(rows=TESTED, official_rows=TESTED, digest="", copy_known_as="made up")
    zero = dict.fromkeys(
        ("repeated_in_train", "repeated_in_test", "removed_from_train", "validation_texts_in_train"), 0
    )
    used = {"used_train": 80, "used_validation": 40, "used_test": TESTED}
    training = Training(encoder_digest="", made_new=(), device="none", processes=1)
    return Record(
        semantics=SEMANTICS,
        id=spec.id,
        spec=spec,
        outcome="finished",
        best_epoch=1,
        curve=LearningCurve.thin(generator.random(UPDATES).tolist(), evaluations),
        test=Predictions.pack(np.arange(TESTED) % 2, probabilities, generator.integers(500, size=TESTED)),
        cost=Cost.of(training),
        data=DataReport(origin="made up", train=split, test=split, **zero, **used),
        provenance=Provenance(
            made=provenance.now(),
            package=tcstudy.__version__,
            python=platform.python_version(),
            libraries={},
            system=provenance.system(),
            device=training.device,
            processes=training.processes,
            encoder_digest="",
        ),
    )


def _read_and_plan(task: Task) -> tuple[Timing, Timing]:
    workload = task.workload
    vocabulary, accelerator = load_vocabulary(EncoderSpec(name=START)), make_accelerator()
    split = drawn_documents(workload)
    split = split.select([row % len(split) for row in range(task.amount)])
    started = time.perf_counter()
    documents = read_documents(split, vocabulary, WindowSpec(length=workload.length))
    reading = Timing(
        seconds=time.perf_counter() - started,
        tokens=sum(document.tokens for document in documents),
        peak_memory_bytes=peak_memory(),
    )
    engine = Engine(accelerator, micro_batch_tokens(accelerator), vocabulary.pad, unpadded=True)
    started = time.perf_counter()
    steps = sum(1 for _ in epoch_batches(documents, workload.batch_size, range(1), task.seed, engine))
    planning = Timing(seconds=time.perf_counter() - started, steps=steps, peak_memory_bytes=peak_memory())
    return reading, planning
