"""Parameter files as commands take them: found, checked, and sorted by what is left to be run."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tcstudy.errors import StudyError, nearest, shown

if TYPE_CHECKING:
    from tcstudy.publish.parameters import ParameterFile
    from tcstudy.study.plan import PageRuns


def checked_files(
    paths: list[Path],
    data: Path | None,
    results: Path | None,
    executor: str | None = None,
    changes: Sequence[str] = (),
) -> "list[ParameterFile]":
    """The parameter files at `paths`, changed, read and checked; options are passed on in the environment.

    Raises:
        StudyError: the mistakes of all files, a line for each; or two have one place for their pages.
    """
    from tcstudy.publish.parameters import read_all

    _export("TCSTUDY_DATA", data)
    _export("TCSTUDY_RESULTS", results)
    kind, separator, file = (executor or os.environ.get("TCSTUDY_EXECUTOR") or "").partition(":")
    if kind:
        _check_executor(kind, file)
        os.environ["TCSTUDY_EXECUTOR"] = (
            f"{kind}:{Path(file).absolute()}" if kind == "parsl" else kind + separator + file
        )
    return read_all(paths, changes)


def _check_executor(kind: str, detail: str) -> None:
    """See that there is such an executor, before anything waits for it.

    Raises:
        StudyError: there is none, or its file is missing.
    """
    kinds = {"inline": not detail, "local": not detail or (detail.isdigit() and int(detail) > 0), "parsl": bool(detail)}
    if not kinds.get(kind):
        name = kind + (f":{detail}" if detail else "")
        raise StudyError(f"{shown(name)} is not an executor; {nearest(kind, ['inline', 'local', 'parsl:<file>'])}")
    if kind == "parsl" and not Path(detail).is_file():
        raise StudyError(f"{detail} is missing: the configuration of Parsl, a Python file with a variable `config`.")


def check_inputs_of(files: "list[ParameterFile]") -> None:
    """See that all that is still to be run can be read and fits, before the first training.

    Raises:
        StudyError: a line for each mistake.
    """
    new = [run for page in sorted_runs(files) for run in page.new]
    if new:
        from tcstudy.study.inputs import check_inputs

        check_inputs(new)


def recorded_files(files: "list[ParameterFile]") -> "list[ParameterFile]":
    """Those of `files` whose pages can be made without training; the others are told."""
    from tcstudy.publish.completeness import what_is_missing

    found = []
    for file in files:
        if reason := what_is_missing(file.experiment):
            print(f"{file.name} is left out: {reason}", file=sys.stderr)
        else:
            found.append(file)
    return found


def _export(variable: str, folder: Path | None) -> None:
    """Pass an option on to the pages' kernels, which read the environment in folders of their own."""
    given = folder or os.environ.get(variable)
    if given:
        os.environ[variable] = str(Path(given).absolute())


def sorted_runs(files: "list[ParameterFile]") -> "list[PageRuns]":
    """The runs of each file: recorded, shared with a file before, and new ones."""
    from tcstudy.study.plan import sort_runs
    from tcstudy.study.store import run_store

    runs = {str(file): file.experiment.runs().values() for file in files}
    return sort_runs(runs, run_store().usable)
