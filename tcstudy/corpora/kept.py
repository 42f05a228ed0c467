"""Tables kept in the cache, memory-mapped: made once, known by their digest, made again when they are damaged."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow

from tcstudy.corpora import places
from tcstudy.errors import StudyError
from tcstudy.files import digest_of, hold, partial_folder, set_aside, told, write_whole
from tcstudy.settings import Settings


def kept_table(kind: str, name: str, make: Callable[[Path], None]) -> datasets.Dataset:
    """The table `name`, from the cache if it is there as it was written.

    Its file has its digest in its name, so one rename puts both in place. A file that lost its digest is set aside.
    Two processes that want one table make it once.

    Args:
        kind: folder within the cache.
        name: of letters, digits and hyphens; equal for equal tables.
        make: writes the table, an Arrow stream, to the file it is given.

    Raises:
        StudyError: what `make` raises; the cache folder cannot be written, or its disk is full.
    """
    folder = Settings.read().cache / kind
    path = _whole(folder, name)
    if path is None:
        with hold(folder / f"{name}.lock", "Tables", "TCSTUDY_CACHE"):
            path = _whole(folder, name) or _made(folder, name, make)
    return datasets.Dataset.from_file(str(path))


def _whole(folder: Path, name: str) -> Path | None:
    """The file of a table if it is whole; one that is not is set aside."""
    for path in folder.glob(f"{name}.*.arrow"):
        if re.fullmatch(r"[0-9a-f]{64}", digest := path.name.split(".")[1]):
            if path.is_file() and digest_of(path) == digest:
                return path
            with told(folder, "Tables", "TCSTUDY_CACHE"):
                print(f"{set_aside(path)} does not have its SHA-256: set aside, made again", file=sys.stderr)
    return None


def _made(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    with told(folder, "Tables", "TCSTUDY_CACHE", pyarrow.ArrowException), partial_folder(folder / name) as temporary:
        table = temporary / "table.arrow"
        make(table)
        return table.rename(folder / f"{name}.{digest_of(table)}.arrow")


def check_unchanged(name: str, digest: str, cache: Path, id: str) -> None:
    """See that the hub's data set `id`, kept by its client in the folder `cache`, is what it was the first time.

    Args:
        name: of a split at a commit, for the file in which its digest is remembered.
        digest: of its content, now.
        cache, id: where its copy is set aside, with the digest, if this is another.

    Raises:
        StudyError: it is another.
    """
    remembered = places.remembered(name)
    with told(remembered.parent, "Digests", "TCSTUDY_CACHE"):
        if not remembered.exists():
            remembered.parent.mkdir(parents=True, exist_ok=True)
            write_whole(remembered, digest)
        elif remembered.read_text(errors="replace") != digest:
            copy = cache / id.replace("/", "___")
            aside = [set_aside(path) for path in (remembered, copy) if path.exists()]
            raise StudyError(
                f"{copy} does not hold what was fetched of the hub's {id}: set aside as {aside[-1]}; call again to "
                "fetch it anew."
            )
