"""Records and findings of checks as tables for a terminal; records also beside those of another folder."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tcstudy.study.record import Record
from tcstudy.study.results import Check, Compared, Comparison, Listed

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def checks_table(checks: Iterable[Check]) -> Table:
    """One row for each finding; what it says is shown letter by letter."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(Text(check.state, STYLES[check.state]), Text(check.subject), Text(check.sentence))
    return table


def _table(*columns: str, whole: tuple[str, ...] = ()) -> Table:
    """A table with a head; the columns `whole` are never broken into lines."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    return table


def outcome(record: Record) -> str:
    """How a run ended, in a word or a number."""
    return "did not converge" if record.test is None else f"{record.error_rate:.2%}"


def listed_table(listed: Sequence[Listed]) -> Table:
    """One row for each record; the pages that need it and their names for it stand in a line each."""
    table = _table(
        "record", "data set", "seed", "error", "page: name of the variant", whole=("record", "data set", "seed")
    )
    for one in listed:
        record = one.record
        places = "\n".join(dict.fromkeys(f"{place.page}: {place.variant}" for place in one.places))
        cells = (record.id, record.spec.data.name, str(record.spec.seed), outcome(record))
        table.add_row(*map(Text, (*cells, places or "-")))
    return table


def compared_table(runs: Sequence[Compared]) -> Table:
    """One row for each run that came out differently in two stores."""
    table = _table(
        "record", "data set", "seed", "error in first", "error in second", "predicted differently", whole=("record",)
    )
    for run in runs:
        if not run.equal:
            spec, documents = run.ours.spec, run.documents
            told = "other documents, or one did not converge" if documents is None else f"{documents:,} documents"
            cells = (run.ours.id, spec.data.name, str(spec.seed), outcome(run.ours), outcome(run.theirs), told)
            table.add_row(*map(Text, cells))
    return table


def compared_sentence(comparison: Comparison) -> str:
    """What a comparison found, in a few numbers."""
    equal = sum(run.equal for run in comparison.runs)
    identical = sum(run.identical for run in comparison.runs)
    return (
        f"{len(comparison.runs):,} runs are in both: {equal:,} with equal predictions ({identical:,} of them to the "
        f"last bit), {len(comparison.runs) - equal:,} with others. {comparison.only_ours:,} more are in the first "
        f"folder only, {comparison.only_theirs:,} in the second only."
    )
