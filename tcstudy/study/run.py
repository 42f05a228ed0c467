"""Run or load: the stored record of a run, or the record of running it now."""

import os
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tcstudy.catalog.datasets import absence
from tcstudy.errors import StudyError, shown
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, AnyRun, BagOfWordsSpec, EncoderSpec, RunSpec
from tcstudy.study.crew import crew
from tcstudy.study.encoders import make_encoder
from tcstudy.study.executors import ATTEMPTS, do, jobs_for, open_executor
from tcstudy.study.record import Cost, LearningCurve, LengthsSpec, Predictions, Record, provenance_of
from tcstudy.study.sets import keep_lengths
from tcstudy.study.store import Store, run_store
from tcstudy.study.texts import digests_read
from tcstudy.study.work import texts_read
from tcstudy.training.outcome import Outcome

if TYPE_CHECKING:
    from tcstudy.corpora.loading import Corpus

Key = TypeVar("Key", bound=Hashable)


def run(spec: AnyRun, store: Store | None = None) -> Record:
    """The record of `spec`: loaded if `store` (by default the settings' folder) has it, else trained and stored.

    An encoder that has to be made first is made first.

    Two processes that want the same run make it once. An interrupted run leaves no record, and continues from the last
    saved state of its training, at most a minute earlier.
    Under `accelerate launch` all processes make the run together, and the first one keeps the store.

    Raises:
        StudyError: `spec` is no run, data or encoder is not available, or the store cannot be written.
    """
    _check_run(spec)
    record, _ = _run_or_load(spec, store or run_store())
    return record


def run_all(specs: Mapping[Key, AnyRun], executor: str | None = None) -> dict[Key, Record]:
    """The records of many runs, in their order, with a line of progress for each run that is made.

    Runs without a record on a data set that is not available on this machine (`absence`) are left out.

    Args:
        specs: by any key, for example an experiment's.
        executor: where runs are made, by a name that `open_executor` knows; by default the settings' executor.

    Raises:
        StudyError: as `run`; the records made before are kept.
    """
    if not isinstance(specs, Mapping):
        raise StudyError('Runs are given by name: run_all({"mine": spec}); a single one is made by run(spec).')
    for key, spec in specs.items():
        _check_run(spec, f"{key}: ")
    settings = Settings.read()
    store, team = run_store(), crew()
    records: dict[Key, Record] = {}
    missing: dict[Key, AnyRun] = {}
    number = {key: position for position, key in enumerate(specs, start=1)}
    for key, spec in specs.items():
        if record := team.agree(lambda spec=spec: store.get(spec)):
            records[key] = record
        elif reason := absence(spec.data.name):
            _say(f"run {number[key]} of {len(specs)}: {key}: left out: {reason}")
        else:
            missing[key] = spec
    keys: dict[str, list[Key]] = {}
    for key, spec in missing.items():
        keys.setdefault(spec.id, []).append(key)
    for spec in _made(missing.values(), executor or settings.executor):
        record = team.agree(lambda spec=spec: store.get(spec))
        if record is None:
            continue  # deleted meanwhile: it is counted below
        for key in keys[spec.id]:
            records[key] = record
        _say(f"run {number[keys[spec.id][0]]} of {len(specs)}: {keys[spec.id][0]}: {_result(record)}")
    if lost := sum(not store.has(spec) for spec in missing.values()):
        raise StudyError(f"{lost:,} records that were made are gone from {store.folder}: it was deleted meanwhile.")
    made = len(keys)
    _say(f"{len(records)} runs: {made} made, {len(records) - made} loaded")
    return {key: records[key] for key in specs if key in records}


def _check_run(spec: AnyRun, where: str = "") -> None:
    if not isinstance(spec, RunSpec | BagOfWordsSpec):
        raise StudyError(f"{where}{shown(spec)} is not a run: describe one with RunSpec.parse or BagOfWordsSpec.")


def _made(specs: Iterable[AnyRun], executor: str) -> Iterator[AnyRun]:
    """Make `specs` and the encoders that they need; each run when its record is there.

    An executor that broke, since a cluster took all workers away for example, is opened anew as long as that leads any
    further.
    """
    left = {spec.id: spec for spec in specs}
    failures = 0
    while left:
        try:
            with open_executor(executor) as submit:
                for job, new in do(jobs_for(left.values()), submit, make):
                    failures = 0
                    if job.spec.id in left:
                        yield left.pop(job.spec.id)
                    elif new:
                        _say(f"encoder {job.spec.id} made of {job.spec.name}")
        except BrokenExecutor as error:
            failures += 1
            if failures == ATTEMPTS:
                raise StudyError(
                    f"The executor {executor} had no workers {ATTEMPTS} times in a row ({error}). What was "
                    "made is kept, the same command goes on."
                ) from error
            _say(f"all workers were lost, others are asked for: {error}")


def make(spec: AnyRun | EncoderSpec, settings: Mapping[str, str] | None = None) -> bool:
    """Make a run or an encoder, if it is not there; whether it was made now.

    A worker that was started elsewhere takes over environment variables first, `settings`.

    Raises:
        StudyError: as `run`.
    """
    os.environ.update(settings or {})
    if isinstance(spec, EncoderSpec):
        return make_encoder(spec)
    _, new = _run_or_load(spec, run_store())
    return new


def _result(record: Record) -> str:
    seconds = record.cost.training_seconds + record.cost.evaluation_seconds
    ended = "did not converge" if record.outcome == "diverged" else f"error {record.error_rate:.1%}"
    return f"{ended}, {seconds:.0f} s"


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
            Settings.read().state(spec.id).unlink(missing_ok=True)
    return record, True


def _make(spec: AnyRun) -> Record:
    from tcstudy.corpora.loading import (  # the libraries of training, not needed where records exist
        content_digest,
        load_corpus,
    )

    corpus = load_corpus(spec.data)
    outcome = _train_and_test(spec, corpus)
    test, lengths = None, None
    if outcome.probabilities is not None:
        test = Predictions.pack([document.label for document in outcome.test], outcome.probabilities)
        lengths = LengthsSpec(documents=content_digest(corpus.test), unit=_unit_of_length(spec))
        if crew().first:
            keep_lengths(lengths, np.array([document.length for document in outcome.test]))
    return Record(
        semantics=SEMANTICS,
        id=spec.id,
        spec=spec,
        outcome="finished" if test else "diverged",
        diverged_at=outcome.diverged_at,
        best_epoch=outcome.best_epoch,
        curve=LearningCurve.thin(outcome.losses, outcome.evaluations, outcome.points),
        test=test,
        lengths=lengths,
        forgetting=outcome.forgetting,
        cost=Cost.of(outcome),
        data=corpus.report,
        read=digests_read(texts_read(spec)),
        provenance=provenance_of(outcome, type(spec)),
    )


def _unit_of_length(spec: AnyRun) -> str:
    if isinstance(spec, BagOfWordsSpec):
        return "words"
    from tcstudy.encoding.tokens import load_vocabulary

    return load_vocabulary(spec.encoder).fingerprint("lengths", ())


def _train_and_test(spec: AnyRun, corpus: "Corpus") -> Outcome:
    if isinstance(spec, BagOfWordsSpec):
        from tcstudy.training.bag_of_words import fit_bag_of_words

        return fit_bag_of_words(spec, corpus)
    from tcstudy.training.finetune import finetune

    make_encoder(spec.encoder)
    return finetune(spec, corpus, Settings.read().state(spec.id))
