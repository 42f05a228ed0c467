"""Parameter files as commands take them: found, checked, and sorted by what is left to be run."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcstudy.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcstudy.publish.parameters import ParameterFile
    from tcstudy.spec import AnyRun
    from tcstudy.study.plan import PageRuns


def checked_files(
    paths: list[Path], data: Path | None, results: Path | None, executor: str | None = None
) -> "list[ParameterFile]":
    """The parameter files at `paths`, read and checked; options are passed on in the environment.

    Raises:
        StudyError: the mistakes of all files, a line for each.
    """
    from tcstudy.publish.parameters import find_parameter_files, read_parameters

    _export("TCSTUDY_DATA", data)
    _export("TCSTUDY_RESULTS", results)
    kind, separator, file = (executor or os.environ.get("TCSTUDY_EXECUTOR") or "").partition(":")
    if kind:
        os.environ["TCSTUDY_EXECUTOR"] = (
            f"{kind}:{Path(file).absolute()}" if kind == "parsl" else kind + separator + file
        )
    files, mistakes = [], []
    for path in find_parameter_files(paths):
        try:
            files.append(read_parameters(path))
        except StudyError as error:
            mistakes.append(str(error))
    if mistakes:
        raise StudyError("\n".join(mistakes))
    return files


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

    missing = {file.page: what_is_missing(file.experiment) for file in files}
    for page, reason in missing.items():
        if reason:
            print(f"{page} is left out: {reason}", file=sys.stderr)
    return [file for file in files if not missing[file.page]]


def _export(variable: str, folder: Path | None) -> None:
    """Pass an option on to the pages' kernels, which read the environment in folders of their own."""
    given = folder or os.environ.get(variable)
    if given:
        os.environ[variable] = str(Path(given).absolute())


def sorted_runs(
    files: "list[ParameterFile]", is_recorded: "Callable[[AnyRun], bool] | None" = None
) -> "list[PageRuns]":
    """The runs of each file: recorded, shared with a file before, and new ones.

    Args:
        files: whose runs.
        is_recorded: whether a run has a record; by default whether there is a file of one.
    """
    from tcstudy.study.plan import sort_runs
    from tcstudy.study.store import run_store

    runs = {str(file.path): file.experiment.runs().values() for file in files}
    return sort_runs(runs, is_recorded or run_store().has)
