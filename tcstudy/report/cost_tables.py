"""Costs as tables and sentences."""

from collections.abc import Mapping

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import error_cell, note, share_cell, with_runs
from tcstudy.report.contrasts import Effect
from tcstudy.report.cost import frontier, saves_errors
from tcstudy.report.measured import PageRecords
from tcstudy.report.plan import rounded
from tcstudy.report.tables import Notice, Table, duration, escape_markdown, percent
from tcstudy.report.verdict_tables import chapter


def operations_cell(operations: float) -> str:
    """A number of operations in three digits with the unit's prefix, or a dash."""
    if pd.isna(operations):
        return "–"
    return f"{'-' if operations < 0 else ''}{rounded(round(abs(operations)))}"


def methods_table(points: pd.DataFrame, name: str) -> Table:
    """One row for each data set and method, cheapest first.

    Args:
        points: as `cost.methods` gives them.
        name: target of cross-references.
    """
    rows = []
    for dataset, cells in points.groupby("dataset", sort=False):
        kept = {by: frontier(cells, by) for by in ("hours", "operations")}
        for place, cell in cells.sort_values("hours").iterrows():
            unbeaten = [by for by, on in kept.items() if on[place]]
            prices = [duration(cell["hours"]), duration(cell["made_hours"]), operations_cell(cell["operations"])]
            error = error_cell(cell, page=cell["page"])
            rows.append([cell["variant"], dataset_title(dataset), error, *prices, " and ".join(unbeaten) or "–"])
    head = ("method", "data set", "test error", "time", "of which encoder", "operations", "unbeaten by")
    caption = "Cost and error of each method, for a single task"
    return Table(head, rows, caption, name, note(points) if len(points) else "")


def bought_table(bought: pd.DataFrame, name: str) -> Table:
    """One row for each choice, what buys most per hour first.

    Args:
        bought: as `cost.bought` gives it.
        name: target of cross-references.
    """
    rows = [
        [
            row.choice,
            with_runs(_saved(row.effect), row.runs, row.page) if row.effect else row.reason,
            duration(row.hours),
            duration(row.shared_hours),
            operations_cell(row.operations),
            _rate(row),
            chapter(row.page),
        ]
        for row in _ordered(bought).itertuples()
    ]
    head = (
        "choice",
        "errors saved",
        "extra time",
        "extra time, shared",
        "extra FLOPs",
        "saved per extra hour",
        "chapter",
    )
    return Table(head, rows, "What each choice saves, and what it costs more than to do without", name)


def _saved(effect: Effect) -> str:
    return share_cell(effect.mean, effect.low, effect.high)


def _rate(row: tuple) -> str:
    if row.effect is None or not saves_errors(row.effect):
        return "–"
    return "free" if row.free else percent(row.rate)


def _ordered(bought: pd.DataFrame) -> pd.DataFrame:
    """What saves errors first, the free before the paid; then what may; then what was not measured."""
    place = [
        (row.effect is None, row.effect is not None and not saves_errors(row.effect), not row.free, -_number(row.rate))
        for row in bought.itertuples()
    ]
    return bought.loc[sorted(bought.index, key=dict(zip(bought.index, place, strict=True)).__getitem__)]


def _number(rate: float) -> float:
    return 0.0 if pd.isna(rate) else rate


def bought_found(bought: pd.DataFrame) -> Notice:
    """Which choices save errors, which of these are free, and which of the rest buys most per hour.

    Args:
        bought: as `cost.bought` gives it.
    """
    measured = _ordered(bought[[effect is not None for effect in bought["effect"]]])
    if measured.empty:
        return Notice("warning", "What buys most", "No comparison has all of its records yet.")
    sure = measured[[saves_errors(effect) for effect in measured["effect"]]]
    paid = sure[~sure["free"].astype(bool)]
    told = []
    if (gifts := sure[sure["free"].astype(bool)]["choice"].tolist()) or sure.empty:
        told.append(f"Free wins, with fewer errors at no extra FLOPs: {_listed(gifts)}.")
    if len(paid):
        first = paid.iloc[0]
        told.append(
            f"Best value for extra compute: {first['choice']}. It saved "
            f"{percent(first['effect'].mean)} of the errors for {duration(first['hours'])} more ({first['scale']})."
        )
        if len(paid) > 1:
            told.append(f"Next: {_listed(paid['choice'].tolist()[1:])}.")
    unsure = measured[[not saves_errors(effect) for effect in measured["effect"]]]
    told.append(f"No clear benefit: {_listed(unsure['choice'].tolist())}.")
    if untested := bought.loc[[effect is None for effect in bought["effect"]], "choice"].tolist():
        told.append(f"Not tested or not measured: {_listed(untested)}.")
    return Notice("tip", "What buys most", "\n\n".join(told))


def _listed(texts: list[str]) -> str:
    return "; ".join(texts) or "none"


def timed_on(pages: Mapping[str, PageRecords]) -> Notice:
    """On how many kinds of machine the hours were taken, since hours of different ones cannot be compared.

    Bags of words are left aside: they are made by one thread of any processor, in seconds.
    """
    devices = {
        (record.provenance.device, record.provenance.system)
        for page in pages.values()
        for record in page.records.values()
        if record.provenance.encoder_digest
    }
    if len(devices) < 2:
        text = "All times were taken on one kind of machine."
    else:
        named = "; ".join(escape_markdown(f"{device}, {system}") for device, system in sorted(devices))
        text = f"Times were taken on {len(devices)} kinds of machine ({named}): compare operations rather than hours."
    return Notice("note", "The clock", f"{text} What else ran on it meanwhile made times longer; operations are exact.")
