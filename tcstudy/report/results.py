"""Records as tables for a terminal: listed, beside those of another folder, and what can go."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tcstudy.report.plan import rounded
from tcstudy.study.pruning import Prunable
from tcstudy.study.record import Record
from tcstudy.study.results import Compared, Comparison, Listed


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def outcome(record: Record) -> str:
    """How a run ended, in a word or a number."""
    return "did not converge" if record.test is None else f"{record.error_rate:.2%}"


def listed_table(listed: Sequence[Listed]) -> Table:
    """One row for each record."""
    table = _table("record", "page", "data set", "variant", "seed", "error", "made")
    for one in listed:
        record = one.record
        pages = ", ".join(dict.fromkeys(place.page for place in one.places))
        variants = ", ".join(dict.fromkeys(place.variant for place in one.places))
        cells = (record.id, pages or "-", record.spec.data.name, variants or "-", str(record.spec.seed))
        table.add_row(*map(Text, (*cells, outcome(record), record.provenance.made[:16])))
    return table


def compared_table(runs: Sequence[Compared]) -> Table:
    """One row for each run that came out differently in two stores."""
    table = _table("record", "data set", "seed", "error here", "error there", "predicted differently")
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
        f"{len(comparison.runs):,} runs are in both: {equal:,} with equal predictions ({identical:,} of them equal to "
        f"the last bit), {len(comparison.runs) - equal:,} with other ones. Only the first folder has "
        f"{comparison.only_ours:,} more, only the second {comparison.only_theirs:,}."
    )


def prunable_table(items: Sequence[Prunable]) -> Table:
    """One row for each file or folder that can go."""
    table = _table("file or folder", "why", "bytes")
    for item in items:
        table.add_row(*map(Text, (f"{item.path.parent.name}/{item.path.name}", item.why, rounded(item.size))))
    return table
