"""The commands `tcstudy results ...`: list, verify and compare records."""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcstudy.cli.files import export
from tcstudy.errors import StudyError

if TYPE_CHECKING:
    from rich.table import Table

    from tcstudy.publish.parameters import ParameterFile
    from tcstudy.study.results import Place

results_app = typer.Typer(no_args_is_help=True, help="List, verify and compare the records of runs.")

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Only records needed by these parameter files, or by folders of them.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of the records.", envvar="TCSTUDY_RESULTS")
]


@results_app.command("list")
def list_records(
    paths: FilesArgument = None,
    page: Annotated[str | None, typer.Option(help="Only records that this page needs.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only records on this data set.")] = None,
    variant: Annotated[str | None, typer.Option(help="Only records whose variant contains this text.")] = None,
    results: FolderOption = None,
) -> None:
    """List records: data set, outcome, and the pages (of params/ or of the given files) that need them."""
    export("TCSTUDY_RESULTS", results)
    from tcstudy.catalog.datasets import dataset_facts
    from tcstudy.experiments import experiment_for
    from tcstudy.report.results import checks_table, listed_table
    from tcstudy.study.results import chosen, read_all
    from tcstudy.study.store import run_store

    if page:
        experiment_for(page)
    if dataset:
        dataset_facts(dataset)
    records, findings = read_all(run_store())
    places = _places(_files(paths))
    if paths:
        records = [record for record in records if record.id in places]
    listed = chosen(records, places, page, dataset, variant)
    if listed:
        _print(listed_table(listed))
    _print(f"{len(listed):,} of {len(records):,} records")
    if findings:
        _print(checks_table(findings))


@results_app.command()
def verify(results: FolderOption = None) -> None:
    """Verify every record and every trained encoder; exit status 1 if one is not as it was written."""
    export("TCSTUDY_RESULTS", results)
    from tcstudy.report.results import checks_table
    from tcstudy.settings import Settings
    from tcstudy.study.results import failed
    from tcstudy.study.results import verify as look

    checks = look(Settings.read())
    _print(checks_table(checks))
    if failed(checks):
        raise typer.Exit(1)


@results_app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A folder of records.")],
    second: Annotated[Path, typer.Argument(help="Another folder of records.")],
) -> None:
    """Compare the runs that two folders share; exit status 1 if predictions differ or a file is damaged."""
    from tcstudy.report.results import checks_table, compared_sentence, compared_table
    from tcstudy.study.results import compare as look
    from tcstudy.study.results import failed

    comparison = look(first, second)
    differ = not all(run.equal for run in comparison.runs)
    if differ:
        _print(compared_table(comparison.runs))
    if comparison.findings:
        _print(checks_table(comparison.findings))
    _print(compared_sentence(comparison))
    if differ or failed(comparison.findings):
        raise typer.Exit(1)


def _files(paths: list[Path] | None) -> "list[ParameterFile]":
    """The given parameter files; without any, all of params/ that can be read."""
    from tcstudy.publish.parameters import read_all, read_parameters
    from tcstudy.settings import Settings

    if paths:
        return read_all(paths)
    files = []
    for path in sorted((Settings.read().project / "params").glob("*/*.y*ml")):
        try:
            files.append(read_parameters(path))
        except StudyError:
            continue  # of a study whose encoder is not on this machine, for example
    return files


def _places(files: "list[ParameterFile]") -> "dict[str, list[Place]]":
    """Where each run is needed, by its identity."""
    from tcstudy.study.results import Place

    places = defaultdict(list)
    for file in files:
        for key, spec in file.experiment.runs().items():
            place = Place(file.page, key.variant)
            if place not in places[spec.id]:
                places[spec.id].append(place)
    return dict(places)


def _print(what: "Table | str") -> None:
    from rich.console import Console

    Console().print(what, highlight=False, markup=False)
