"""Reliable files: written atomically, verified by digest, set aside when damaged; failures explained in sentences."""

import errno
import glob
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

from tcstudy.errors import StudyError

DAMAGED = ".damaged"
"""The suffix of a file or folder that was set aside, with a number from the second one on."""
PARTIAL = ".partial"
"""The suffix of a file or folder that is being written."""

_IN_WORDS = re.compile(r"os error (\d+)|code: (\d+)")  # how errors of libraries written in Rust tell the system's


def digest_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def set_aside(path: Path, ending: str = DAMAGED) -> Path:
    """Rename a damaged file or folder, so that its place is free and nothing is lost; returns its new name.

    `a.json` becomes `a.damaged`, anything else `<name>.damaged`; a second one `.damaged-2`, and so on. A file
    that is intact but of no use here gets another `ending`.

    Raises:
        OSError: it cannot be renamed.
    """
    name = f"{path.name.removesuffix('.json')}{ending}"
    free, number = path.with_name(name), 1
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{name}-{number}")
    return path.rename(free)


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step: it is there completely or not at all, whenever the process or machine stops.

    Raises:
        OSError: it cannot be written; nothing is left of the attempt.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=PARTIAL)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def partial_folder(place: Path, alone: bool = True) -> Iterator[Path]:
    """A temporary folder beside `place`, for making there what is then moved to `place` whole.

    Args:
        place: a file or folder, whose own folder exists.
        alone: no other process makes the same now, so what a killed one left of it is removed.

    Raises:
        OSError: nothing can be written there.
    """
    for left in place.parent.glob(f"{glob.escape(place.name)}.*{PARTIAL}") if alone else ():
        remove(left)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.", suffix=PARTIAL) as temporary:
        yield Path(temporary)


def near(path: Path, folder: Path | None = None) -> Path:
    """A path as seen from `folder`, by default the current one: relative within it, else absolute."""
    folder = Path.cwd() if folder is None else folder
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def remove(path: Path) -> None:
    """Delete a file, a folder, or a link without what it leads to.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hold(lock: Path, what: str, variable: str) -> AbstractContextManager:
    """Wait until no other process holds the file `lock`, and hold it; a process that dies releases it.

    Args:
        lock: the file; it is created, and left behind.
        what, variable: as in `told`.

    Raises:
        StudyError: the file cannot be written.
    """
    with told(lock.parent, what, variable):
        lock.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(lock).acquire()


@contextmanager
def told(folder: Path, what: str, variable: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors in writing to `folder` into a sentence.

    Args:
        folder: the folder that is written to; an error that names a file elsewhere passes through.
        what: is written, in the plural; the sentence begins with it.
        variable: the environment variable that names the folder.
        kinds: of errors, besides the system's own, that may wrap one of these.

    Raises:
        StudyError: the disk is full, or the folder cannot be written.
    """
    try:
        yield
    except (OSError, *kinds) as error:
        cause = _system_error(error)
        if cause is None or not _is_within(cause.filename, folder):
            raise
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StudyError(
                f"The disk of {folder} is full. All finished work is kept: free some space, or set {variable} to "
                "another folder, and run the command again."
            ) from None
        raise StudyError(
            f"{what} cannot be written to {folder} ({cause.strerror or cause}): set {variable} to a writable folder."
        ) from None


def _system_error(error: Exception) -> OSError | None:
    """The system's error behind `error`, or None; some libraries give it only in words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    if found := _IN_WORDS.search(str(error)):
        number = int(found[1] or found[2])
        return OSError(number, os.strerror(number))
    return None


def _is_within(name: object, folder: Path) -> bool:
    """Whether the file that an error names is in `folder`, above it, or not named at all."""
    if not isinstance(name, str | os.PathLike):
        return True
    path, folder = Path(name).absolute(), folder.absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)
