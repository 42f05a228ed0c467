"""The store: one JSON file a run, written last and whole, found by the run's identity, known by its digest."""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import ValidationError

from tcstudy.errors import StudyError, explain, first_line
from tcstudy.files import hold, set_aside, told, write_whole
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, Identified
from tcstudy.study.record import SCHEMA, Kept, Record
from tcstudy.study.texts import other_texts_of_run

AnyRecord = TypeVar("AnyRecord", bound=Kept)

WITH_DIGEST = 2
"""The first schema whose files hold a digest of themselves."""


UNFIT = ".of-other-texts"
"""What the name of a record ends in that was whole and unfit when another one took its place."""


class Damaged(StudyError):
    """A file is not what was written; says why, after the words "it is"."""


class Newer(StudyError):
    """A file was written by a newer version of the package: it is left as it is, and not understood."""


class Store(Generic[AnyRecord]):
    """Records of one kind under one folder, `<id>.json` each.

    Args:
        folder: made when the first record is put.
        kind: class of the records.
        published: another folder, where records are looked up that are not in `folder`; nothing in it is changed.
        unfit: says of a whole record why it is not to be used here, or None.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[AnyRecord] = Record,
        published: Path | None = None,
        unfit: Callable[[AnyRecord], str | None] = lambda record: None,
    ) -> None:
        self.folder = folder
        self.kind = kind
        self.behind = Store(published, kind) if published and published != folder else None
        self.unfit = unfit

    @classmethod
    def here(
        cls, kind: type[AnyRecord], part: str, unfit: Callable[[AnyRecord], str | None] = lambda record: None
    ) -> Self:
        """The records of one kind in a `part` of the settings' folder of records, behind them the published ones.

        Raises:
            StudyError: as `Settings.read`.
        """
        settings = Settings.read()
        return cls(settings.results / part, kind, settings.published / part, unfit)

    def path(self, spec: Identified) -> Path:
        """The file of a run's record, whether it exists or not."""
        return self.folder / f"{spec.id}.json"

    def paths(self) -> list[Path]:
        """The files of the records in its own folder, in the order of their names."""
        return sorted(self.folder.glob("*.json"))

    def known_paths(self) -> list[Path]:
        """The files of all records that can be found: its own, then those that only the published folder has."""
        own = self.paths()
        names = {path.name for path in own}
        return own + [path for path in (self.behind.paths() if self.behind else []) if path.name not in names]

    def found_at(self, spec: Identified) -> Path:
        """The file that the record of `spec` is read from, or will be written to."""
        own = self.path(spec)
        return self.behind.found_at(spec) if self.behind and not own.exists() and self.behind.has(spec) else own

    def has(self, spec: Identified) -> bool:
        """Whether there is a file for the record of `spec`; it may be damaged."""
        return self.path(spec).exists() or (self.behind is not None and self.behind.has(spec))

    def usable(self, spec: Identified) -> bool:
        """Whether `get` would give a record; nothing is told or set aside."""
        for path in [self.path(spec), *([self.behind.path(spec)] if self.behind else [])]:
            try:
                record = self.read(path)
            except (StudyError, OSError):
                continue
            if record.spec == spec and record.id == spec.id and self.unfit(record) is None:
                return True
        return False

    def get(self, spec: Identified) -> AnyRecord | None:
        """The record of `spec`, or None.

        A file that is no record of this run is set aside as `*.damaged`, so that the run is made again; in the
        published folder it is told and left. A record that is unfit is told, and left until another one is put.

        Raises:
            StudyError: the folder cannot be read, or a newer version of the package wrote the record.
        """
        for record in (self._own(spec), self._published(spec) if self.behind else None):
            if record and (why := self.unfit(record)):
                tell_once(f"the record {record.id} is not used: it was {why}")
            elif record:
                return record
        return None

    def _published(self, spec: Identified) -> AnyRecord | None:
        try:
            record = self.behind.read(self.behind.path(spec))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (StudyError, OSError) as error:
            print(f"the published record {self.behind.path(spec)} cannot be used: it is {error}", file=sys.stderr)
            return None
        return record if record.spec == spec and record.id == spec.id else None

    def _own(self, spec: Identified) -> AnyRecord | None:
        path = self.path(spec)
        try:
            written = path.stat()
            record = self.read(path)
            if record.spec != spec or record.id != spec.id:  # the identity is another one under earlier semantics
                raise Damaged("the record of another run")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StudyError(f"{path} cannot be read ({error.strerror}).") from None
        except Damaged as damage:
            with told(self.folder, "Records", "TCSTUDY_RESULTS"):
                aside = _set_aside(path, written)
            if aside:
                print(f"{aside} is {damage}: set aside, and the run is made again", file=sys.stderr)
            return None
        return record

    def read(self, path: Path) -> AnyRecord:
        """The record that `path` holds; nothing is set aside.

        Raises:
            Damaged: it is not what was written.
            Newer: a newer version of the package wrote it.
            StudyError: it is whole and describes what this installation does not know, an encoder for example.
            OSError: it cannot be read.
        """
        values = _unsealed(path)
        try:
            record = self.kind.model_validate_json(json.dumps(values))
        except ValidationError as error:
            reason = explain(error, path.name).splitlines()[0]
            if _is_not_known_here(error) or values.get("schema_version", 0) >= WITH_DIGEST:
                raise StudyError(f"{path} is intact, but cannot be understood here ({reason}).") from None
            raise Damaged(f"no record of its run ({reason})") from None
        if record.semantics == SEMANTICS and record.id != record.spec.id:
            raise Damaged("not the record of the run that it names")
        return record

    def put(self, record: AnyRecord) -> None:
        """Write `record` with its digest: to a temporary file first, then to its place in one step.

        Raises:
            StudyError: the folder cannot be written or the disk is full.
        """
        with told(self.folder, "Records", "TCSTUDY_RESULTS"):
            self.folder.mkdir(parents=True, exist_ok=True)
            if (before := self._own(record.spec)) and self.unfit(before):
                set_aside(self.path(record.spec), UNFIT)
            write_whole(self.path(record.spec), sealed(record))

    def lock(self, spec: Identified) -> AbstractContextManager:
        """Hold the run: no other process makes it meanwhile. A holder that dies lets go.

        Raises:
            StudyError: the folder cannot be written.
        """
        return hold(self.folder / "locks" / spec.id, "Records", "TCSTUDY_RESULTS")


def run_store() -> Store[Record]:
    """The store of the records of runs."""
    return Store.here(Record, "", other_texts_of_run)


@functools.cache
def tell_once(line: str) -> None:
    """Print a line to the standard error output, once in a process however often a record is asked for."""
    print(line, file=sys.stderr, flush=True)


def sealed(record: Kept) -> str:
    """A record as its file holds it: JSON, a line for each part, with a digest of all the rest at the end."""
    values = json.loads(record.model_dump_json(exclude_none=True))
    values |= {"digest": _digest(values)}
    # not a line for each number, which would take as much room as predictions do
    parts = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _digest(values: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of `values`, first 32 digits; blanks and the order of keys do not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def _unsealed(path: Path) -> dict[str, Any]:
    """What the JSON of a record says, without its digest, which is checked.

    Raises:
        Damaged, Newer, OSError: as `Store.read`.
    """
    if path.exists() and not path.is_file():  # a folder, or a pipe, which would never end
        raise Damaged("no file")
    try:
        values = json.loads(path.read_bytes().decode("utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        schema, semantics = values.get("schema_version"), values.get("semantics")
        if not (type(schema) is type(semantics) is int):
            raise ValueError("its version is no number")
    except (ValueError, RecursionError) as error:  # of bytes that are no text, and of text that is no JSON
        raise Damaged(f"no record of its run ({first_line(error)})") from None
    if schema > SCHEMA or semantics > SEMANTICS:
        raise Newer(
            f"{path} was made by a newer version of this package (schema {schema}, semantics {semantics}; this version "
            f"knows {SCHEMA} and {SEMANTICS}): install that version, or set TCSTUDY_RESULTS to another folder."
        )
    digest = values.pop("digest", None)
    if schema >= WITH_DIGEST and digest != _digest(values):
        raise Damaged("no record of its run (its digest does not match its content)")
    return values


def _is_not_known_here(error: ValidationError) -> bool:
    """Whether all that is wrong is that a spec names what this installation does not know."""
    return all(isinstance(detail.get("ctx", {}).get("error"), StudyError) for detail in error.errors())


def _set_aside(path: Path, written: os.stat_result) -> Path | None:
    """Set the file aside that was read; None if another process was quicker and a new one may be in its place."""
    try:
        now = path.stat()
        return set_aside(path) if (now.st_ino, now.st_mtime_ns) == (written.st_ino, written.st_mtime_ns) else None
    except FileNotFoundError:
        return None
