"""The store: one JSON file a run, written last and whole, found by the run's identity."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from filelock import FileLock
from pydantic import ValidationError

from tcstudy.errors import StudyError, explain
from tcstudy.spec import SEMANTICS, Identified
from tcstudy.study.record import Record


class Kept(Protocol):
    """A record of any kind, as a store needs it."""

    semantics: int
    id: str
    spec: Identified


AnyRecord = TypeVar("AnyRecord", bound=Kept)


class Store(Generic[AnyRecord]):
    """Records of one kind under one folder, `<id>.json` each.

    Args:
        folder: made when the first record is put.
        kind: class of the records.
    """

    def __init__(self, folder: Path, kind: type[AnyRecord] = Record) -> None:
        self.folder = folder
        self.kind = kind

    def path(self, spec: Identified) -> Path:
        """The file of a run's record, whether it exists or not."""
        return self.folder / f"{spec.id}.json"

    def get(self, spec: Identified) -> AnyRecord | None:
        """The record of `spec`, or None.

        A file that is no record of this run is set aside as `*.damaged`, so that the run is made again.

        Raises:
            StudyError: the folder cannot be read.
        """
        path = self.path(spec)
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            text = ""
        except OSError as error:
            raise StudyError(f"{path} cannot be read ({error.strerror}).") from None
        try:
            record = self.kind.model_validate_json(text)
            if record.id != spec.id or record.spec != spec or record.semantics != SEMANTICS:
                raise ValueError("it is the record of another run")
        except ValueError as error:  # pydantic's errors are ValueErrors
            reason = explain(error, path.name).splitlines()[0] if isinstance(error, ValidationError) else str(error)
            with self._sentences():
                damaged = path.rename(path.with_suffix(".damaged"))
            print(f"{damaged} is no record of its run ({reason}): set aside, the run is made again", file=sys.stderr)
            return None
        return record

    def put(self, record: AnyRecord) -> None:
        """Write `record`: to a temporary file first, then to its place in one step.

        Raises:
            StudyError: the folder cannot be written or the disk is full.
        """
        with self._sentences():
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(record.model_dump_json(indent=1, exclude_none=True) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.path(record.spec))
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    @contextmanager
    def lock(self, spec: Identified) -> Iterator[None]:
        """Hold the run: no other process makes it meanwhile. A holder that dies lets go.

        Raises:
            StudyError: the folder cannot be written.
        """
        with self._sentences():
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "locks" / spec.id)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StudyError(f"The disk of {self.folder} is full: records so far are kept; make room.") from None
            raise StudyError(
                f"Records cannot be written to {self.folder} ({error.strerror}): set TCSTUDY_RESULTS to a folder "
                "that can be written."
            ) from None
