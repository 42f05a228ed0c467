"""Run or load: the stored record of a run, or the record of running it now."""

import os
import sys
import time
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from typing import TypeVar

import tcstudy
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, RunSpec
from tcstudy.study.record import Cost, LearningCurve, Predictions, Provenance, Record
from tcstudy.study.store import Store

Key = TypeVar("Key", bound=Hashable)


def run(spec: RunSpec, store: Store | None = None) -> Record:
    """The record of `spec`: loaded if `store` (by default the settings' folder) has it, else trained and stored.

    Two processes that want the same run make it once. A run that is interrupted leaves no record and is made again.
    Under `accelerate launch` all processes make the run together, and the first one keeps the store.

    Raises:
        StudyError: data or encoder cannot be had, or the store cannot be written.
    """
    record, _ = _run_or_load(spec, store or Store(Settings.read().results))
    return record


def run_all(specs: Mapping[Key, RunSpec], store: Store | None = None) -> dict[Key, Record]:
    """The records of many runs, in their order, with a line of progress for each that is made.

    Raises:
        StudyError: as `run`; the records made before are kept.
    """
    store = store or Store(Settings.read().results)
    records: dict[Key, Record] = {}
    made = 0
    for number, (key, spec) in enumerate(specs.items(), start=1):
        started = time.perf_counter()
        records[key], new = _run_or_load(spec, store)
        if new:
            made += 1
            seconds = time.perf_counter() - started
            _say(f"run {number} of {len(specs)}: {key}: {_result(records[key])}, {seconds:.0f} s")
    _say(f"{len(records)} runs: {made} made, {len(records) - made} loaded")
    return records


def _result(record: Record) -> str:
    return "did not converge" if record.outcome == "diverged" else f"error {record.error_rate:.1%}"


def _say(line: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr, flush=True)


def _run_or_load(spec: RunSpec, store: Store) -> tuple[Record, bool]:
    """The record of `spec`, and whether it was made now."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _run_together(spec, store)
    record = store.get(spec)
    if record is not None:
        return record, False
    with store.lock(spec):
        record = store.get(spec)
        if record is not None:
            return record, False
        record = _make(spec)
        store.put(record)
    return record, True


def _run_together(spec: RunSpec, store: Store) -> tuple[Record, bool]:
    """As `_run_or_load`, by all processes of a launch: what the first one finds decides for all whether to train."""
    from accelerate.utils import broadcast_object_list

    from tcstudy.training.devices import make_accelerator

    first = make_accelerator().is_main_process
    with store.lock(spec) if first else nullcontext():
        [record] = broadcast_object_list([store.get(spec) if first else None])
        if record is not None:
            return record, False
        record = _make(spec)
        if first:
            store.put(record)
    return record, True


def _make(spec: RunSpec) -> Record:
    from tcstudy.corpora.loading import load_corpus  # the libraries of training, not needed where records exist
    from tcstudy.study import provenance
    from tcstudy.training.finetune import finetune

    corpus = load_corpus(spec.data)
    outcome = finetune(spec, corpus)
    test = None
    if outcome.probabilities is not None:
        labels, lengths = zip(*((document.label, document.length) for document in outcome.test), strict=True)
        test = Predictions.pack(labels, outcome.probabilities, lengths)
    return Record(
        semantics=SEMANTICS,
        id=spec.id,
        spec=spec,
        outcome="finished" if test else "diverged",
        diverged_at=outcome.diverged_at,
        best_epoch=outcome.best_epoch,
        curve=LearningCurve.thin(outcome.losses, outcome.evaluations),
        test=test,
        cost=Cost(
            training_seconds=round(outcome.training_seconds, 3),
            evaluation_seconds=round(outcome.evaluation_seconds, 3),
            steps=len(outcome.losses),
            tokens=outcome.tokens,
            padded_tokens=outcome.padded_tokens,
            peak_memory_bytes=outcome.peak_memory_bytes,
        ),
        data=corpus.report,
        provenance=Provenance(
            made=provenance.now(),
            package=tcstudy.__version__,
            commit=provenance.commit(),
            python=provenance.platform.python_version(),
            libraries=provenance.library_versions(),
            system=provenance.system(),
            device=outcome.device,
            processes=outcome.processes,
            encoder_digest=outcome.encoder_digest,
            made_new=outcome.made_new,
        ),
    )
