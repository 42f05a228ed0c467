"""Run or load: the stored record of a run, or the record of running it now."""

import os
import sys
import time
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from tcstudy.catalog.datasets import absence
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, AnyRun, BagOfWordsSpec
from tcstudy.study.crew import crew
from tcstudy.study.encoders import make_encoder
from tcstudy.study.record import Cost, LearningCurve, Predictions, Record
from tcstudy.study.store import Store
from tcstudy.training.outcome import Outcome

if TYPE_CHECKING:
    from tcstudy.corpora.loading import Corpus

Key = TypeVar("Key", bound=Hashable)


def run(spec: AnyRun, store: Store | None = None) -> Record:
    """The record of `spec`: loaded if `store` (by default the settings' folder) has it, else trained and stored.

    An encoder that has to be made first is made first.

    Two processes that want the same run make it once. A run that is interrupted leaves no record and is made again.
    Under `accelerate launch` all processes make the run together, and the first one keeps the store.

    Raises:
        StudyError: data or encoder cannot be had, or the store cannot be written.
    """
    record, _ = _run_or_load(spec, store or Store(Settings.read().results))
    return record


def run_all(specs: Mapping[Key, AnyRun], store: Store | None = None) -> dict[Key, Record]:
    """The records of many runs, in their order, with a line of progress for each that is made.

    Left out are runs without a record on a data set that this machine cannot have at all (`absence`).

    Raises:
        StudyError: as `run`; the records made before are kept.
    """
    store = store or Store(Settings.read().results)
    records: dict[Key, Record] = {}
    made = 0
    for number, (key, spec) in enumerate(specs.items(), start=1):
        reason = absence(spec.data.name)
        if reason and not store.path(spec).exists():
            _say(f"run {number} of {len(specs)}: {key}: left out: {reason}")
            continue
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


def _run_or_load(spec: AnyRun, store: Store[Record]) -> tuple[Record, bool]:
    """The record of `spec`, and whether it was made now."""
    team = crew()
    record = team.agree(lambda: store.get(spec))
    if record is not None:
        return record, False
    with store.lock(spec) if team.first else nullcontext():
        record = team.agree(lambda: store.get(spec))
        if record is not None:
            return record, False
        record = _make(spec)
        if team.first:
            store.put(record)
    return record, True


def _make(spec: AnyRun) -> Record:
    from tcstudy.corpora.loading import load_corpus  # the libraries of training, not needed where records exist
    from tcstudy.study import provenance

    corpus = load_corpus(spec.data)
    outcome = _train_and_test(spec, corpus)
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
        curve=LearningCurve.thin(outcome.losses, outcome.evaluations, outcome.points),
        test=test,
        forgetting=outcome.forgetting,
        cost=Cost.of(outcome),
        data=corpus.report,
        provenance=provenance.of(outcome, type(spec)),
    )


def _train_and_test(spec: AnyRun, corpus: "Corpus") -> Outcome:
    if isinstance(spec, BagOfWordsSpec):
        from tcstudy.training.bag_of_words import fit_bag_of_words

        return fit_bag_of_words(spec, corpus)
    from tcstudy.training.finetune import finetune

    make_encoder(spec.encoder)
    return finetune(spec, corpus)
