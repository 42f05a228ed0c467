"""Parameter files of a command: found, checked, and sorted by what is still to be run."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
        StudyError: the mistakes of all files, one per line; or the pages of two files would have the same path; or a
            setting names what does not exist.
    """
    from tcstudy.publish.parameters import read_all
    from tcstudy.settings import Settings
    from tcstudy.study.executors import executor_of

    export("TCSTUDY_DATA", data)
    export("TCSTUDY_RESULTS", results)
    Settings.read()  # a folder that does not exist is no mistake of a parameter file
    if executor := executor or os.environ.get("TCSTUDY_EXECUTOR"):
        kind, file = executor_of(executor)  # before anything waits for it
        os.environ["TCSTUDY_EXECUTOR"] = f"{kind}:{Path(file).absolute()}" if kind == "parsl" else executor
    return read_all(paths, changes)


def check_inputs_of(files: "list[ParameterFile]") -> None:
    """Check before the first training that everything still to be run can be read and fits, and where it is to run.

    Raises:
        StudyError: one line for each mistake.
    """
    new = [run for page in sorted_runs(files) for run in page.new]
    if new:
        from tcstudy.settings import Settings
        from tcstudy.study.executors import check_executor
        from tcstudy.study.inputs import check_inputs

        check_executor(Settings.read().executor)
        check_inputs(new)


def recorded_files(files: "list[ParameterFile]") -> "list[ParameterFile]":
    """Those of `files` whose pages can be made without training; prints the others."""
    from tcstudy.publish.freshness import what_is_missing

    found = []
    for file in files:
        if reason := what_is_missing(file.experiment):
            print(f"{file.name} is left out: {reason}", file=sys.stderr)
        else:
            found.append(file)
    return found


def export(variable: str, folder: Path | None) -> None:
    """Pass an option on to the pages' kernels, which read the environment in folders of their own."""
    given = folder or os.environ.get(variable)
    if given:
        os.environ[variable] = str(Path(given).absolute())


def sorted_runs(files: "list[ParameterFile]") -> "list[PageRuns]":
    """The runs of each file: recorded, shared with an earlier file, and new."""
    from tcstudy.study.plan import sort_runs
    from tcstudy.study.store import run_store

    runs = {str(file): file.experiment.runs().values() for file in files}
    return sort_runs(runs, run_store().usable)
