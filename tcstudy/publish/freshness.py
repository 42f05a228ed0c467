"""Whether an executed page is still what executing it now would give, told by everything that it is made from."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat

from tcstudy.publish.parameters import ParameterFile
from tcstudy.settings import Settings
from tcstudy.spec import RunSpec
from tcstudy.study.encoders import encoder_store
from tcstudy.study.store import run_store

STAMP = "tcstudy_made_from"
"""The key of the digest in an executed notebook's metadata."""


def made_from(file: ParameterFile, settings: Settings) -> str:
    """A digest of what a page is made from: its text and parameters, the package, the records that it shows.

    Of a page that has neither runs nor texts of its own that is every record. Files are told by size and time.
    """
    total = hashlib.sha256(f"{file.values} {settings.data}".encode())
    total.update((settings.root / "book" / f"{file.page}.md").read_bytes())
    for path in [*_package(), *_records(file, settings)]:
        try:
            status = path.stat()
            total.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{path} is missing\n".encode())
    return total.hexdigest()


def stamp(notebook: Path, digest: str) -> None:
    """Write into an executed notebook from what it was made."""
    content = nbformat.read(notebook, as_version=4)
    content.metadata[STAMP] = digest
    partial = notebook.with_suffix(".partial")
    nbformat.write(content, partial)
    os.replace(partial, notebook)


def is_fresh(notebook: Path, digest: str) -> bool:
    """Whether an executed notebook is there, and was made from the same."""
    try:
        return nbformat.read(notebook, as_version=4).metadata.get(STAMP) == digest
    except (OSError, ValueError):
        return False


def _package() -> Iterator[Path]:
    package = Path(__file__).parents[1]
    return (path for path in sorted(package.rglob("*")) if path.suffix in (".py", ".csv"))


def _records(file: ParameterFile, settings: Settings) -> Iterable[Path]:
    runs, encoders = run_store(), encoder_store()
    specs = file.experiment.runs().values()
    if file.experiment.texts():  # it shows data sets, not records
        return []
    if not specs:
        return [*runs.known_paths(), *encoders.known_paths(), *sorted((settings.published / "bench").glob("*.json"))]
    made = dict.fromkeys(part for spec in specs if isinstance(spec, RunSpec) for part in spec.encoder.made_on_the_way())
    return [*map(runs.found_at, specs), *map(encoders.found_at, made)]
