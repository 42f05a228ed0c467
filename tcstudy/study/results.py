"""The records that exist: looked up, listed, verified, and compared with another study's; none is changed or made."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, AnyRun, EncoderSpec, RunSpec
from tcstudy.study.encoders import EncoderRecord, encoder_store, what_is_wrong
from tcstudy.study.record import Predictions, Record
from tcstudy.study.sets import lengths_store, sets_store
from tcstudy.study.store import WITH_DIGEST, AnyRecord, Damaged, Newer, Store, run_store

Key = TypeVar("Key", bound=Hashable)
State = Literal["ok", "warn", "fail"]


def recorded(runs: Mapping[Key, AnyRun]) -> dict[Key, Record]:
    """The records of those of `runs` that have one, in their order; nothing is trained.

    Raises:
        StudyError: the folder of records cannot be read.
    """
    store = run_store()
    found = {key: store.get(spec) for key, spec in runs.items()}
    return {key: record for key, record in found.items() if record is not None}


@dataclass(frozen=True)
class Shelf:
    """Every record that can be found, whatever asked for it, records of older semantics included.

    Attributes:
        runs, encoders: the records.
        unread: why a file could not be read as a record, by its name.
    """

    runs: tuple[Record, ...]
    encoders: tuple[EncoderRecord, ...]
    unread: Mapping[str, str]

    @classmethod
    def read(cls) -> "Shelf":
        """Read the settings' folder and that of the published study; nothing in them is changed."""
        found: tuple[list, list] = ([], [])
        unread = {}
        for records, store in zip(found, (run_store(), encoder_store()), strict=True):
            for path in store.known_paths():
                try:
                    records.append(store.read(path))
                except (StudyError, OSError) as error:
                    unread[path.name] = str(error)
        return cls(*map(tuple, found), unread)


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        state: all is well; something should be known; something is wrong.
        subject: what was looked at.
        sentence: what was found.
    """

    state: State
    subject: str
    sentence: str


def failed(checks: Iterable[Check]) -> bool:
    """Whether something is wrong."""
    return any(check.state == "fail" for check in checks)


@dataclass(frozen=True)
class Place:
    """Where parameter files need a run: their page, and what the page calls the run."""

    page: str
    variant: str


@dataclass(frozen=True)
class Listed:
    """A record and where it is needed; nowhere, as far as the files that were read know, if `places` is empty."""

    record: Record
    places: tuple[Place, ...]


def read_all(store: Store[AnyRecord]) -> tuple[list[AnyRecord], list[Check]]:
    """The records of a store that are whole, those that only its published folder has included; findings on all else.

    Raises:
        StudyError: there is no folder.
    """
    paths = store.known_paths()
    if not paths and not store.folder.is_dir():
        raise StudyError(f"{store.folder} is not a folder of records.")
    records, findings = [], []
    for path in paths:
        try:
            record = store.read(path)
            if record.id != path.stem:
                raise Damaged(f"the record of {record.id} under another name")
            records.append(record)
        except Damaged as damage:
            findings.append(Check("fail", path.name, f"This is {damage}: it is not used, and will be made again."))
        except (StudyError, Newer) as error:
            findings.append(Check("warn", path.name, str(error)))
        except OSError as error:
            findings.append(Check("fail", path.name, f"It cannot be read ({error.strerror})."))
    return records, findings


def all_records(store: Store[AnyRecord]) -> list[AnyRecord]:
    """The records of a store that are whole; none where there is no folder."""
    return read_all(store)[0] if store.known_paths() else []


def chosen(
    records: Iterable[Record],
    places: Mapping[str, Sequence[Place]],
    page: str | None = None,
    dataset: str | None = None,
    variant: str | None = None,
) -> list[Listed]:
    """The records that are asked for.

    Args:
        records, places: to choose from, and where the runs are needed, by identity.
        page: only those that this page needs.
        dataset: only those on this data set.
        variant: only those whose name on a page holds these letters, in any case.
    """
    found = []
    for record in records:
        its = [place for place in places.get(record.id, ()) if page in (None, place.page)]
        its = [place for place in its if variant is None or variant.casefold() in place.variant.casefold()]
        wanted = bool(its) or (page is None and variant is None)
        if wanted and dataset in (None, record.spec.data.name):
            found.append(Listed(record, tuple(its)))
    return sorted(found, key=lambda one: (*(place.page for place in one.places[:1]), one.record.spec.data.name))


def verify(settings: Settings) -> list[Check]:
    """Look at every record, at every encoder that was made, and at whether they go together.

    Raises:
        StudyError: the folder of records is missing.
    """
    runs, findings = read_all(run_store())
    encoders, of_encoders = [], []
    if (store := encoder_store()).known_paths():
        encoders, of_encoders = read_all(store)
    findings = [Check("ok", "records", _counted(runs)), *findings, *_inconsistent(runs)]
    if encoders or of_encoders:
        findings += [Check("ok", "encoders", _counted(encoders)), *of_encoders]
    for subject, kept in (("lengths", lengths_store()), ("data sets", sets_store())):
        if kept.known_paths():
            whole, of_kept = read_all(kept)
            findings += [Check("ok", subject, _counted(whole)), *of_kept]
    return [*findings, *_weights(encoders, settings.weights), *_copies(runs)]


def _counted(records: Sequence[AnyRecord]) -> str:
    sentences = [f"{len(records):,} are intact."]
    if earlier := sum(record.schema_version < WITH_DIGEST for record in records):
        sentences.append(f"{earlier:,} of them were made before records held a digest.")
    if other := sum(record.semantics != SEMANTICS for record in records):
        sentences.append(f"{other:,} have an earlier meaning of their descriptions and are no longer used.")
    return " ".join(sentences)


def _inconsistent(runs: Iterable[Record]) -> Iterator[Check]:
    """Records whose parts contradict each other."""
    for run in runs:
        facts = dataset_facts(run.spec.data.name)
        if (run.outcome == "finished") != (run.test is not None):
            yield Check("fail", f"{run.id}.json", f"It says {run.outcome}, which does not match its predictions.")
        elif run.test and run.test.documents != run.data.used_test:
            yield Check("fail", f"{run.id}.json", "Its number of predictions is not that of the tested documents.")
        elif run.test and _highest_class(run.test) >= len(facts.classes):
            yield Check("fail", f"{run.id}.json", f"It has a class that {facts.name} does not have.")


def _highest_class(test: Predictions) -> int:
    return max(int(packed.unpack().max(initial=0)) for packed in (test.labels, test.predicted))


def _weights(encoders: Iterable[EncoderRecord], folder: Path) -> Iterator[Check]:
    """Encoders whose weights are not what was made."""
    absent = 0
    for record in encoders:
        wrong = what_is_wrong(record.spec, record)
        if wrong == "is missing":
            absent += 1
        elif wrong:
            yield Check("fail", f"{record.id}/", f"{folder / record.id} {wrong}: it will be set aside and made again.")
    if absent:
        yield Check("ok", "weights", f"Those of {absent} encoders are not in {folder}; runs that need them make them.")


def _copies(runs: Sequence[Record]) -> Iterator[Check]:
    """Data sets and encoders of which records were made with different copies."""
    data: dict[str, set] = defaultdict(set)
    encoders: dict[tuple[EncoderSpec, bool], set] = defaultdict(set)
    for run in runs:
        data[run.spec.data.name].add((run.data.train.digest, run.data.test.digest))
        if isinstance(run.spec, RunSpec) and not run.provenance.made_new:  # new weights are those of the seed
            encoders[run.spec.encoder, run.spec.features.pooler].add(run.provenance.encoder_digest)
    for name, copies in data.items():
        if len(copies) > 1:
            yield Check("warn", name, f"Its records were made with {len(copies)} copies that differ in content.")
    for (encoder, _), copies in encoders.items():
        if len(copies) > 1:
            made = f", after {len(encoder.stages)} stages ({encoder.id})" if encoder.stages else ""
            yield Check("warn", encoder.name, f"Its records start from {len(copies)} different sets of weights{made}.")


@dataclass(frozen=True)
class Compared:
    """One run in two stores.

    Attributes:
        ours, theirs: its records.
        documents: test documents that are predicted differently; None where only one of the two finished.
    """

    ours: Record
    theirs: Record
    documents: int | None

    @property
    def equal(self) -> bool:
        """Whether both ended in the same way, with the same predictions."""
        return self.documents == 0

    @property
    def identical(self) -> bool:
        """Whether the predictions are equal to the last bit of their confidence."""
        return self.equal and self.ours.test == self.theirs.test


@dataclass(frozen=True)
class Comparison:
    """Two stores beside each other: runs in both, findings about unreadable files, and how many only one has."""

    runs: tuple[Compared, ...]
    findings: tuple[Check, ...]
    only_ours: int
    only_theirs: int


def compare(ours: Path, theirs: Path) -> Comparison:
    """Compare the records of two folders.

    Raises:
        StudyError: one of them is missing.
    """
    (left, wrong), (right, also_wrong) = (read_all(Store(folder)) for folder in (ours, theirs))
    others = {record.id: record for record in right}
    both = tuple(_beside(record, others[record.id]) for record in left if record.id in others)
    return Comparison(both, (*wrong, *also_wrong), len(left) - len(both), len(right) - len(both))


def _beside(ours: Record, theirs: Record) -> Compared:
    if ours.test is None or theirs.test is None:
        return Compared(ours, theirs, 0 if ours.test is theirs.test else None)
    if not np.array_equal(ours.test.labels.unpack(), theirs.test.labels.unpack()):
        return Compared(ours, theirs, None)  # of other documents
    return Compared(ours, theirs, int(np.sum(ours.test.predicted.unpack() != theirs.test.predicted.unpack())))
