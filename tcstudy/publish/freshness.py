"""Whether a page can be made from what is recorded, and whether an executed one is what it would be now."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from tcstudy.catalog.datasets import DATASETS, is_local
from tcstudy.corpora.places import digests_here, is_at_hand
from tcstudy.errors import StudyError
from tcstudy.experiments.base import Experiment
from tcstudy.files import near
from tcstudy.publish.parameters import ParameterFile
from tcstudy.settings import Settings
from tcstudy.spec import RunSpec
from tcstudy.study.encoders import encoder_store
from tcstudy.study.sets import set_spec, sets_store
from tcstudy.study.store import run_store
from tcstudy.study.work import texts_read


def what_is_missing(experiment: Experiment) -> str | None:
    """Why a page cannot be made without training or fetching, in words, or None."""
    runs, store = set(experiment.runs().values()), run_store()
    there = sum(map(store.usable, runs))
    if there < len(runs):
        unfit = sum(map(store.has, runs)) - there
        others = f", and {unfit:,} records were made with other texts than this machine has" if unfit else ""
        return f"{there:,} of its {len(runs):,} runs are recorded{others}"
    if away := [name for name in experiment.texts() if not (is_at_hand(name) or _is_kept(name, experiment))]:
        return f"{', '.join(away)} {'is' if len(away) == 1 else 'are'} not on this machine"
    return None


def _is_kept(name: str, experiment: Experiment) -> bool:
    """Whether what a page says of a data set is kept with the records."""
    spec = set_spec(name, experiment.encoder)
    return spec is not None and sets_store().usable(spec)


STAMP = "tcstudy_made_from"
"""The key of the digest in an executed notebook's metadata."""
FILE = "tcstudy_parameter_file"
"""The key of the parameter file's path there, from the folder that is worked in if it is within."""


def made_from(file: ParameterFile, settings: Settings) -> str:
    """A digest of what a page is made from: its cells and parameters, the package, the records that it shows.

    Of a page that has neither runs nor texts of its own that is every record. Files are told by size and time, texts by
    their content, since records of other texts are not shown.
    """
    import jupytext  # slow to import

    cells = [
        (cell.cell_type, cell.source, cell.metadata) for cell in jupytext.read(page_source(file.page, settings)).cells
    ]
    runs = file.experiment.runs().values()
    names = {name for run in runs for name in texts_read(run)} | {*file.experiment.texts()} or {*DATASETS}
    texts = {name: digests_here(name) for name in sorted(names) if is_local(name, settings.data)}  # others are pinned
    given = [cells, file.values, str(settings.data), texts]
    total = hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode())
    for path in [*_package(), *_records(file, settings)]:
        try:
            status = path.stat()
            total.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{path} is missing\n".encode())
    return total.hexdigest()


def page_source(page: str, settings: Settings) -> Path:
    """The text of a page.

    Raises:
        StudyError: it is missing.
    """
    source = settings.project / "book" / f"{page}.md"
    if not source.is_file():
        raise StudyError(f"{source} is missing: the page {page}.")
    return source


def stamp(notebook: Path, digest: str, file: ParameterFile, settings: Settings) -> None:
    """Write into an executed notebook from what it was made."""
    content = nbformat.read(notebook, as_version=4)
    content.metadata[STAMP] = digest
    for output in (output for cell in content.cells for output in cell.get("outputs", [])):
        if output.output_type == "stream":  # what was written over was to be seen once
            output.text = re.sub(r"[^\n]*\r", "", output.text)
    content.metadata[FILE] = str(near(file.path.absolute(), settings.root))
    partial = notebook.with_suffix(".partial")
    nbformat.write(content, partial)
    os.replace(partial, notebook)


def is_fresh(notebook: Path, digest: str) -> bool:
    """Whether an executed notebook is there, and was made from the same."""
    return _metadata(notebook).get(STAMP) == digest


def belongs_to(notebook: Path, settings: Settings) -> Path | None:
    """The parameter file that an executed notebook was made from, if both are there."""
    told = _metadata(notebook).get(FILE)
    path = settings.root / told if told else None
    return path if path and path.is_file() else None


def _metadata(notebook: Path) -> Mapping[str, Any]:
    try:
        return nbformat.read(notebook, as_version=4).metadata
    except (OSError, ValueError):
        return {}


def _package() -> Iterator[Path]:
    package = Path(__file__).parents[1]
    return (path for path in sorted(package.rglob("*")) if path.suffix in (".py", ".csv", ".js", ".css"))


def _records(file: ParameterFile, settings: Settings) -> Iterable[Path]:
    runs, encoders = run_store(), encoder_store()
    specs = file.experiment.runs().values()
    if texts := file.experiment.texts():  # it shows data sets, not records
        sets = (set_spec(name, file.experiment.encoder) for name in texts)
        return [sets_store().found_at(spec) for spec in sets if spec]
    if not specs:
        return [*runs.known_paths(), *encoders.known_paths(), *sorted((settings.published / "bench").glob("*.json"))]
    made = dict.fromkeys(part for spec in specs if isinstance(spec, RunSpec) for part in spec.encoder.made_on_the_way())
    return [*map(runs.found_at, specs), *map(encoders.found_at, made)]
