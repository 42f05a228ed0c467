"""What was measured, as tables: for the book, and the same for a terminal."""

from collections.abc import Sequence

import pandas as pd
import rich.table
from rich import box

from tcstudy.bench.results import COMMITTED, OWN, Bench, Comparison, Growth, Span
from tcstudy.catalog.datasets import DATASETS
from tcstudy.report.tables import Notice, Table

COMMAND = f"tcstudy bench --output {COMMITTED}"


def speeds(bench: Bench, name: str = "tab-speeds") -> Table:
    """Every side of every comparison in a row."""
    rows = [row for comparison in bench.comparisons for row in _sides(comparison)]
    head = (
        "what",
        "side",
        "real tokens a second",
        "tcstudy is so many times as fast",
        "padding",
        "share of the ceiling",
        "peak memory, MB",
    )
    return Table(head, rows, "Median and range over the turns; all sides did the same work in each turn", name)


def _sides(comparison: Comparison) -> list[tuple[str, ...]]:
    return [
        (
            comparison.title,
            side,
            told(comparison.speed(side), ",.0f"),
            "–" if side == OWN else told(comparison.ratio(side), ".2f"),
            f"{comparison.padding(side):.0%}",
            told(comparison.ceiling(side), ".0%"),
            f"{comparison.peak_memory(side) / 1e6:,.0f}",
        )
        for side in comparison.sides
    ]


def workloads(bench: Bench, name: str = "tab-workloads") -> Table:
    """On what the sides of each comparison worked."""
    rows = [
        (
            comparison.title,
            DATASETS[comparison.workload.dataset].title,
            f"{comparison.workload.length:,}",
            f"{comparison.workload.batch_size:,}",
            f"{comparison.workload.steps:,}",
            f"{comparison.turns[0].sides[OWN].tokens:,}",
            f"{len(comparison.turns):,}",
        )
        for comparison in bench.comparisons
    ]
    head = ("what", "texts", "length", "batch", "steps", "real tokens", "turns")
    return Table(head, rows, "What each side did in a turn", name)


def startups(bench: Bench, name: str = "tab-startups") -> Table:
    """How long processes take from their start to their end."""
    rows = [(startup.title, told(Span.of(startup.seconds), ".2f")) for startup in bench.startups]
    return Table(("what", "seconds"), rows, "From the start of a process to its end; median and range", name)


def growths(bench: Bench, name: str = "tab-growths") -> Table:
    """What each amount of work took, and for each one of it."""
    rows = [
        (
            growth.title,
            f"{point.amount:,} {growth.across}",
            told(point.seconds, ".3g"),
            f"{1e6 * point.seconds.median / point.amount:,.0f}",
            f"{point.peak_memory.median / 1e6:,.0f}",
        )
        for growth in bench.growths
        for point in growth.points
    ]
    head = ("what", "amount", "seconds", "microseconds for each", "peak memory, MB")
    return Table(head, rows, "Time and memory against the amount of work; median and range", name)


def made_on(bench: Bench, name: str = "tab-speed-machine") -> Table:
    """On what the measurements were made."""
    rows = []
    if machine := bench.machine:
        versions = ", ".join(f"{library} {number}" for library, number in machine.libraries.items())
        device = f"{machine.device}, {machine.system}"
        rows = [(device, f"{machine.processors}", bench.encoder, versions, machine.package, machine.made[:10])]
    head = ("device", "processors", "encoder", "versions", "tcstudy", "made")
    return Table(head, rows, "On what the measurements were made", name)


def found(bench: Bench) -> Notice:
    """What a reader has to know of the measurements before looking at them."""
    if bench.machine is None:
        text = f"The project holds no measurements: make some with `{COMMAND}`, then run this page again."
        return Notice("warning", "Not measured yet", text)
    if bench.quick:
        return Notice(
            "warning", "No evidence", "These are of `--quick`, which only shows that everything can be measured."
        )
    text = "Ratios compare sides that ran in turn on one machine; another machine has other numbers."
    return Notice("note", f"Measured on {bench.machine.made[:10]}, in {bench.repetitions} turns", text)


def ratio_rows(bench: Bench) -> pd.DataFrame:
    """What the figure of ratios shows: label, median, low and high, one row for each rival of a comparison."""
    rows = [
        {"label": f"{comparison.title}\nbeside {side}", **comparison.ratio(side)._asdict()}
        for comparison in bench.comparisons
        for side in comparison.sides
        if side != OWN
    ]
    return pd.DataFrame(rows, columns=["label", *Span._fields])


def speed_rows(bench: Bench) -> pd.DataFrame:
    """What the figure of speeds shows: comparison, side, median, low and high."""
    rows = [
        {"comparison": comparison.title, "side": side, **comparison.speed(side)._asdict()}
        for comparison in bench.comparisons
        for side in comparison.sides
    ]
    return pd.DataFrame(rows, columns=["comparison", "side", *Span._fields])


def growths_by_amount(bench: Bench) -> dict[str, list[Growth]]:
    """What shares a panel, by what its amounts are; an empty panel if nothing was measured."""
    found: dict[str, list[Growth]] = {}
    for growth in bench.growths:
        found.setdefault(growth.across, []).append(growth)
    return found or {"amount of work": []}


def growth_lines(growths: Sequence[Growth], what: str) -> dict[str, pd.DataFrame]:
    """What a figure of growth shows: amount, median, low and high by title, of `seconds` or of `peak_memory`."""
    return {
        growth.title: pd.DataFrame(
            [{"amount": point.amount, **getattr(point, what)._asdict()} for point in growth.points]
        )
        for growth in growths
    }


def told(span: Span, form: str) -> str:
    """Median and range in a cell; the median alone if there is no range.

    >>> told(Span(2.0, 1.5, 2.5), ".1f"), told(Span(2.0, 2.0, 2.0), ".1f")
    ('2.0 (1.5–2.5)', '2.0')
    """
    median, low, high = (format(value, form) for value in span)
    return median if low == high else f"{median} ({low}–{high})"


def for_terminal(table: Table) -> rich.table.Table:
    """A table of the book as a terminal shows it."""
    shown = rich.table.Table(box=box.SIMPLE_HEAD, title=table.caption, title_justify="left", pad_edge=False)
    for number, column in enumerate(table.head):
        shown.add_column(column, justify="left" if number < 2 else "right")
    for row in table.rows:
        shown.add_row(*row)
    return shown
