"""Encoders that the study makes: each made once, with a record beside those of the runs, before a run that needs it."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tcstudy.corpora.report import TextReport
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.crew import crew
from tcstudy.study.record import SCHEMA, Cost, LearningCurve, Provenance, Record
from tcstudy.study.store import Store
from tcstudy.training.outcome import HeadQuality
from tcstudy.value import Value


class EncoderRecord(Value):
    """What an encoder was made of, how it went, and what it cost; the stages before its last have records of their own.

    Attributes:
        text: what it was pre-trained on; None after a multi-task stage.
        measured: its heads on held-out text; None after a multi-task stage.
        weights: SHA-256 of the file of weights that was left.
    """

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA)] = SCHEMA
    semantics: int
    id: str
    spec: EncoderSpec
    curve: LearningCurve
    text: TextReport | None = None
    measured: HeadQuality | None = None
    weights: str
    cost: Cost
    provenance: Provenance


def encoder_store() -> Store[EncoderRecord]:
    """The store of encoder records, in the folder of run records."""
    return Store(Settings.read().results / "encoders", EncoderRecord)


def encoder_records(specs: Iterable[EncoderSpec]) -> dict[EncoderSpec, EncoderRecord]:
    """The records of encoders that were made, those they were made of included, earliest stages first."""
    store, records = encoder_store(), {}
    for spec in specs:
        for part in spec.made_on_the_way():
            if part not in records and (record := store.get(part)):
                records[part] = record
    return records


def encoders_behind(runs: Iterable[Record]) -> dict[EncoderSpec, EncoderRecord]:
    """The records of the encoders that `runs` began with, as far as they were made."""
    return encoder_records(run.spec.encoder for run in runs if isinstance(run.spec, RunSpec))


def make_encoder(spec: EncoderSpec) -> bool:
    """See to it that the weights of `spec` are in their folder; whether they were made now.

    There is nothing to do for a published encoder.

    Two processes that want one encoder make it once. An interrupted pre-training is gone on with where it was saved.

    Raises:
        StudyError: text or encoder cannot be had, or the folder of weights cannot be written.
    """
    if not spec.stages:
        return False
    store, team, folder = encoder_store(), crew(), Settings.read().weights / spec.id
    with store.lock(spec.to_the_end) if team.first else nullcontext():
        if team.agree(lambda: _is_there(folder, store.get(spec))):
            return False
        make_encoder(spec.before)
        _make(spec, folder, store if team.first else None)
    return True


def _is_there(folder: Path, record: EncoderRecord | None) -> bool:
    """Whether `folder` holds the weights of `record`; what it holds otherwise is set aside."""
    if record is not None and (folder / "model.safetensors").is_file() and _digest(folder) == record.weights:
        return True
    if folder.exists():
        damaged = folder.with_suffix(".damaged")
        shutil.rmtree(damaged, ignore_errors=True)
        folder.rename(damaged)
        print(f"{damaged} does not hold the weights that were made: set aside, made again", file=sys.stderr)
    return False


def _digest(folder: Path) -> str:
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(spec: EncoderSpec, folder: Path, store: Store[EncoderRecord] | None) -> None:
    """Make the last stage of `spec`; the folder appears whole, with its record, in a process that keeps the `store`."""
    from tcstudy.study import provenance
    from tcstudy.training.multitask import train_multitask
    from tcstudy.training.pretrain import pretrain

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        partial = Path(temporary) / "encoder"
        if isinstance(spec.stages[-1], PretrainingSpec):
            outcome = pretrain(spec, partial, folder.with_name(f"{spec.to_the_end.id}.state"))
        else:
            outcome = train_multitask(spec, partial)
        if store is None:
            return
        record = EncoderRecord(
            semantics=SEMANTICS,
            id=spec.id,
            spec=spec,
            curve=LearningCurve.thin(outcome.losses, []),
            text=outcome.text,
            measured=outcome.measured,
            weights=_digest(partial),
            cost=Cost.of(outcome),
            provenance=provenance.of(outcome, type(spec)),
        )
        os.replace(partial, folder)
        store.put(record)
