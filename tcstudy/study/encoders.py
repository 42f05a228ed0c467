"""Encoders that the study makes: each made once, with a record beside those of the runs, before a run that needs it."""

import os
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from pydantic import Field
from safetensors import SafetensorError

from tcstudy.corpora.report import TextReport
from tcstudy.files import digest_of, hold, partial_folder, set_aside, told, write_whole
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.crew import crew
from tcstudy.study.record import Cost, DigestsRead, Kept, LearningCurve, Provenance, Record, provenance_of
from tcstudy.study.store import Damaged, Store, sealed
from tcstudy.study.texts import digests_read, other_texts_of_encoder
from tcstudy.study.work import texts_of_stages
from tcstudy.training.outcome import HeadQuality, TextHeads
from tcstudy.value import TupleOf

WEIGHTS = "model.safetensors"
OWN_RECORD = "record.json"
"""The file in an encoder's folder that says how it was made, and by which digests its files are known."""


class EncoderRecord(Kept):
    """What an encoder was made of, how it went, and what it cost; the stages before its last have records of their own.

    Attributes:
        text: what it was pre-trained on; None after a multi-task stage.
        measured: its heads on held-out text; None after a multi-task stage.
        texts: its heads on the held-out text of each data set, before and after the stage; empty after a multi-task
            stage, and in records that were made before this was measured.
        weights: SHA-256 of the file of weights that was left.
        files: SHA-256 of the other files that were left beside it, by name.
    """

    spec: EncoderSpec
    curve: LearningCurve
    text: TextReport | None = None
    measured: HeadQuality | None = None
    texts: TupleOf[TextHeads] = ()
    weights: str
    files: dict[Annotated[str, Field(pattern=r"^\w[\w.-]*$")], str] = Field(default_factory=dict)
    read: DigestsRead = Field(default_factory=dict)
    cost: Cost
    provenance: Provenance


def encoder_store() -> Store[EncoderRecord]:
    """The store of the records of encoders."""
    return Store.here(EncoderRecord, "encoders", other_texts_of_encoder)


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

    Two processes that want one encoder make it once. An interrupted training continues where it was saved.

    Raises:
        StudyError: text or encoder is not available, or the folder of weights cannot be written.
    """
    if not spec.stages:
        return False
    store, team, folder = encoder_store(), crew(), weights_folder(spec)
    if team.agree(lambda: (record := store.get(spec)) is not None and what_is_wrong(spec, record) is None):
        return False
    lock = folder.parent / "locks" / spec.to_the_end.id  # beside the weights, which two studies may share
    with hold(lock, "Encoders", "TCSTUDY_WEIGHTS") if team.first else nullcontext():
        if team.agree(lambda: _take(spec, store)):
            return False
        make_encoder(spec.before)
        _make(spec, folder, store if team.first else None)
    return True


def weights_folder(spec: EncoderSpec) -> Path:
    """The folder of an encoder that the study makes, whether it exists or not."""
    return Settings.read().weights / spec.id


def is_made(spec: EncoderSpec) -> bool:
    """Whether the weights of an encoder are in their folder, with a record of their own; they are not verified."""
    return (weights_folder(spec) / OWN_RECORD).is_file()


def what_is_wrong(spec: EncoderSpec, record: EncoderRecord | None) -> str | None:
    """What is wrong with the folder of an encoder, in words, or None.

    A folder is judged by the record that lies in it; by `record`, that of the store, if it was made before there were
    such.
    """
    folder = weights_folder(spec)
    if not folder.is_dir():
        return "is missing"
    record = _own_record(spec) or record
    if record is None:
        return "has no record of how it was made"
    if why := other_texts_of_encoder(record):
        return f"was {why}"
    for name, digest in ({WEIGHTS: record.weights} | record.files).items():
        if not (folder / name).is_file():
            return f"lacks {name}"
        if digest_of(folder / name) != digest:
            return f"holds a different {name} than was made"
    return None


def _own_record(spec: EncoderSpec) -> EncoderRecord | None:
    """The record in an encoder's folder, or None if it has none that is whole."""
    folder = weights_folder(spec)
    try:
        record = Store(folder, EncoderRecord).read(folder / OWN_RECORD)
    except (OSError, Damaged):
        return None
    return record if record.spec == spec else None


def _take(spec: EncoderSpec, store: Store[EncoderRecord]) -> bool:
    """Whether the weights of `spec` are there, recorded from now on; what is there otherwise is set aside."""
    record, folder = store.get(spec), weights_folder(spec)
    wrong = what_is_wrong(spec, record)
    if wrong is None:
        if record is None:  # made by another study, or the process that made it was killed just then
            _forget_state(spec)
            store.put(_own_record(spec))
        return True
    if folder.exists():
        with told(folder.parent, "Encoders", "TCSTUDY_WEIGHTS"):
            print(f"{set_aside(folder)} {wrong}: set aside, and made again", file=sys.stderr)
    return False


def _make(spec: EncoderSpec, folder: Path, store: Store[EncoderRecord] | None) -> None:
    """Make the last stage of `spec`; the folder appears whole, with its record, in a process that keeps the `store`."""
    from tcstudy.training.multitask import train_multitask
    from tcstudy.training.pretrain import pretrain

    with told(folder.parent, "Encoders", "TCSTUDY_WEIGHTS", SafetensorError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Processes of a launch come here together, and one should not take another's folder for a killed one's.
        with partial_folder(folder, alone=crew().size == 1) as temporary:
            partial = temporary / "encoder"
            if isinstance(spec.stages[-1], PretrainingSpec):
                outcome = pretrain(spec, partial, _state(spec))
            else:
                outcome = train_multitask(spec, partial, _state(spec))
            if store is None:
                return
            digests = {path.name: digest_of(path) for path in sorted(partial.iterdir())}
            record = EncoderRecord(
                semantics=SEMANTICS,
                id=spec.id,
                spec=spec,
                curve=LearningCurve.thin(outcome.losses, []),
                text=outcome.text,
                measured=outcome.measured,
                texts=outcome.texts,
                weights=digests.pop(WEIGHTS),
                files=digests,
                read=digests_read(texts_of_stages(spec)),
                cost=Cost.of(outcome),
                provenance=provenance_of(outcome, type(spec)),
            )
            write_whole(partial / OWN_RECORD, sealed(record))
            os.replace(partial, folder)
        _forget_state(spec)
    if store.get(spec) is None:
        store.put(record)


def _state(spec: EncoderSpec) -> Path:
    return Settings.read().state(spec.to_the_end.id)


def _forget_state(spec: EncoderSpec) -> None:
    """Remove the state of a training that has ended; one that was stopped on the way may be continued later."""
    if spec == spec.to_the_end:
        _state(spec).unlink(missing_ok=True)
