"""What a reader explores: claims, runs, costs and windows, each with a plain form that stands without scripts."""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_facts, dataset_title
from tcstudy.corpora.loading import load_source
from tcstudy.encoding.documents import spans
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey, rate_text
from tcstudy.report import cost
from tcstudy.report.cells import percent_range, share_cell
from tcstudy.report.documents import SeenText
from tcstudy.report.frame import frame
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import CSV, Notice, Table, percent
from tcstudy.report.verdict_tables import comparisons, headlines
from tcstudy.report.verdicts import Verdict
from tcstudy.spec import EncoderSpec, WindowSpec
from tcstudy.study.record import Record

COST_PAGES = (*cost.FRONTIER_PAGES, "few_shot")
"""The pages whose variants are shown by their cost."""
METHODS = ("head-only", "tail-only", "head+tail", "hierarchical mean")
"""Of windows; all hierarchical methods see the same."""
POINTS = 40
"""Of a run's training loss, at most: what its small figure shows."""
TEXTS = "general"
"""The data set that a text is quoted from."""
WORDS = 300
"""About as long is the text that is quoted."""


class Script:
    """Script and style of all explorers of a page; stands once on it."""

    def _repr_html_(self) -> str:
        style, script = (files(__package__).joinpath(f"explore.{kind}").read_text("utf-8") for kind in ("css", "js"))
        return f"<style>\n{style}</style><script>\n{script}</script>"


@dataclass(frozen=True)
class Explorer:
    """Something to explore, as HTML: its data, and what stands in its place without scripts and in print.

    Attributes:
        kind: which function of `explore.js` draws it.
        data: plain data; its strings are shown letter by letter.
        plain: HTML.
        csv: the same as a table, as a file; empty where there is none.
    """

    kind: str
    data: Mapping[str, Any] = field(repr=False)
    plain: str = field(repr=False)
    csv: str = field(repr=False, default="")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html()} | ({CSV: self.csv} if self.csv else {})

    def html(self) -> str:
        """Data and plain form, in an element that `explore.js` looks for."""
        return (
            f'<div class="explorer tex2jax_ignore mathjax_ignore" data-kind="{self.kind}">'
            f'<script type="application/json">{_json(self.data)}</script><div class="plain">{self.plain}</div></div>'
            "<script>window.tcstudyExplore?.();</script>"
        )


def _json(value: Any) -> str:
    """`value` as JSON within a script of a page: nothing in it can end the script, or begin a comment."""
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    """The same with plain numbers, and None for those that are none."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def claims(verdicts: Sequence[Verdict]) -> Explorer:
    """The chart of claims and that of every comparison, to choose by verdict and by who measured."""
    by_claim = [(verdict, verdict.deciding) for verdict in verdicts]
    by_part = [(verdict, finding) for verdict in verdicts for finding in verdict.findings]
    views = {"claims": (headlines(verdicts), by_claim), "every comparison": (comparisons(verdicts), by_part)}
    data = {
        name: [
            {
                "label": row.label,
                "page": verdict.claim.page,
                "claim": verdict.claim.sentence,
                "comparison": finding.part.label if finding else "",
                "verdict": row.decision,
                "reason": finding.reason if finding else verdict.obstacle,
                "scale": finding.scale if finding else "",
                "runs": finding.effect.runs if finding and finding.effect else 0,
                "here": [_rounded(value) for value in (row.mean, row.low, row.high)],
                "paper": _rounded(row.paper),
                "others": [[_rounded(mean), solid] for mean, solid in getattr(row, "others", [])],
                "smallest": row.smallest,
                "gain": row.gain,
            }
            for row, (verdict, finding) in zip(rows.itertuples(), of, strict=True)
        ]
        for name, (rows, of) in views.items()
    }
    head = ("claim", "comparison", "paper", "here", "runs", "verdict")
    rows = [
        [
            row["label"],
            row["comparison"] or "–",
            percent(row["paper"]),
            percent(row["here"][0]) if row["here"][1] is None else share_cell(*row["here"]),
            f"{row['runs']}" if row["runs"] else "–",
            row["verdict"],
        ]
        for row in data["claims"]
    ]
    table = Table(head, rows, "Share of errors saved by the comparison that each verdict hangs on", "")
    return Explorer("claims", data, table.html(), table.csv())


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if pd.isna(value) else round(float(value), digits)


def runs(pages: Mapping[str, PageRecords]) -> Explorer:
    """All runs of a profile's pages, each once; with its curve, parameters and predictions."""
    places: dict[str, list[tuple[str, RunKey]]] = {}
    records: dict[str, Record] = {}
    for page, found in pages.items():
        for key, record in found.records.items():
            places.setdefault(record.id, []).append((page, key))
            records[record.id] = record
    first = {
        key._replace(variant=f"{page}\n{key.variant}"): records[name] for name, [(page, key), *_] in places.items()
    }
    table = frame(first)
    varying = [name for name in table.columns if name not in _SHOWN]
    data = {
        "id": [*places],
        "on": [[[page, key.variant] for page, key in of] for of in places.values()],
        "fields": {name: _coded(table[name]) for name in varying},
        "classes": {name: dataset_facts(name).classes for name in table["dataset"].unique()} if len(table) else {},
        "dataset": [key.dataset for key in first],
        "runs": [_detail(record) for record in first.values()],
    }
    head = ("data set", "variant", "error", "rate", "labels", "seed", "seconds", "page")
    rows = [
        (
            dataset_title(key.dataset),
            place[0][1].variant,
            percent(record.error_rate) if record.test else "diverged",
            _rate(record),
            f"{_labels(record)}",
            f"{key.seed}" + (f", draw {key.draw}" if key.draw else ""),
            f"{record.cost.training_seconds + record.cost.evaluation_seconds:.1f}",
            place[0][0].replace("_", " "),
        )
        for place, (key, record) in zip(places.values(), first.items(), strict=True)
    ]
    table = Table(head, rows, f"All {len(rows):,} runs", "")
    return Explorer("runs", data, _light(table), table.csv())


_SHOWN = ("dataset", "variant", "draw", "seed", "error", "record", "run")


def _rate(record: Record) -> str:
    training = getattr(record.spec, "training", None)
    return "–" if training is None else rate_text(training.learning_rate)


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "–"
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _coded(values: Iterable[Any]) -> dict[str, list]:
    """A column as its distinct values and the place among them of each row's."""
    told = [*map(_told, values)]
    distinct = [*dict.fromkeys(told)]
    return {"values": distinct, "of": [distinct.index(value) for value in told]}


def _detail(record: Record) -> list[Any]:
    """Of a run: update and mean loss of each stretch, update and validation error of each epoch, best epoch, confusion.

    The confusion counts test documents by true class and predicted class; None for a run that diverged.
    """
    curve = record.curve
    together = -(-len(curve.losses) // POINTS) or 1  # stretches that become one
    losses = [np.mean(curve.losses[first : first + together]) for first in range(0, len(curve.losses), together)]
    return [
        together * (curve.steps[0] if curve.steps else 1),
        curve.steps[-1] if curve.steps else 0,
        [float(f"{loss:.3g}") for loss in losses],
        [[epoch.step, _rounded(epoch.error)] for epoch in curve.epochs],
        record.best_epoch,
        confusion(record),
    ]


def confusion(record: Record) -> list[list[int]] | None:
    """How many test documents of each class (rows) were taken for each (columns); None where there are none."""
    if record.test is None:
        return None
    labels, predicted = record.test.labels.unpack(), record.test.predicted.unpack()
    classes = max(len(dataset_facts(record.spec.data.name).classes), int(labels.max()) + 1, int(predicted.max()) + 1)
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    return counts.tolist()


def _light(table: Table) -> str:
    """A long table as HTML, without the style of each cell that `Table` writes."""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in table.head)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>"
    return f"<table>{caption}<thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table>"


def points(pages: Mapping[str, PageRecords], encoders: cost.Encoders) -> pd.DataFrame:
    """All variants of `COST_PAGES` with their price and error, by data set and number of labelled documents.

    Returns:
        As `cost.methods`; and `labels`, and `unbeaten`: whether no cheaper one of them has an error as low.
    """
    found = {name: pages[name] for name in COST_PAGES if name in pages}
    numbers = sorted({_labels(record) for page in found.values() for record in page.records.values()})
    frames = []
    for number in numbers:
        same = {
            name: replace(page, records={key: of for key, of in page.records.items() if _labels(of) == number})
            for name, page in found.items()
        }
        frames.append(cost.methods(same, encoders).assign(labels=number))
    if not frames:
        return pd.DataFrame(columns=["dataset", "labels", "variant", "hours", "mean", "low", "high", "ids", "unbeaten"])
    together = pd.concat(frames, ignore_index=True).sort_values(["dataset", "labels"], kind="stable", ignore_index=True)
    groups = together.groupby(["dataset", "labels"], sort=False)
    unbeaten = pd.concat([cost.frontier(group, "hours") for _, group in groups])
    return together.assign(unbeaten=unbeaten.reindex(together.index).astype(bool))


def _labels(record: Record) -> int:
    return record.spec.data.train or dataset_facts(record.spec.data.name).train


def costs(found: pd.DataFrame, pages: Mapping[str, PageRecords]) -> Explorer:
    """Error against seconds, to choose by data set, labels and budget.

    Args:
        found: as `points` gives it.
        pages: where the runs are.
    """
    by_id = {record.id: record for page in pages.values() for record in page.records.values()}
    data = [
        {
            "dataset": dataset_title(row.dataset),
            "labels": row.labels,
            "method": row.variant,
            "page": row.page,
            "seconds": _rounded(3600 * row.hours, 1),
            "error": [_rounded(value) for value in (row.mean, row.low, row.high)],
            "seeds": [_rounded(by_id[name].error_rate) for name in row.ids],
            "unbeaten": row.unbeaten,
        }
        for row in found.dropna(subset="hours").itertuples()
    ]
    rows = [
        [dataset_title(row["dataset"]), f"{row.labels:,}", row.variant, f"{3600 * row.hours:,.1f}", percent_range(row)]
        for _, row in found[found["unbeaten"].astype(bool)].sort_values(["dataset", "labels", "hours"]).iterrows()
    ]
    head = ("data set", "labels", "method", "seconds", "test error")
    table = Table(head, rows, "Methods that no cheaper one beats, making their encoders included", "")
    return Explorer("costs", {"points": data}, table.html(), table.csv())


def windows(encoder: EncoderSpec) -> Explorer | Notice:
    """A quoted text, and what windows of many lengths and methods let the model see of it.

    Args:
        encoder: whose tokenizer cuts the text.
    """
    try:
        texts, vocabulary = load_source(TEXTS).test["text"], load_vocabulary(encoder)
    except StudyError:
        return Notice("note", "No text to show", "Neither the texts nor the tokenizer are on the machine of this page.")
    text = min(texts, key=lambda one: abs(len(one.split()) - WORDS))
    return windows_of(text, vocabulary)


def windows_of(text: str, vocabulary: Vocabulary, shown: int = 64) -> Explorer:
    """The same of a text that is given; without scripts with windows of `shown` wordpieces."""
    offsets = vocabulary.offsets(text)
    starts = [start for start, _ in offsets]
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    longest = len(offsets) + 2
    lengths = sorted({*range(8, longest, 8), longest})
    seen = {
        method: [spans(len(offsets), WindowSpec(method=method, length=length)) for length in lengths]
        for method in METHODS
    }
    facts = dataset_facts(TEXTS)
    data = {"pieces": pieces, "lengths": lengths, "seen": seen, "start": min(shown, longest), "licence": facts.licence}
    at_first = [WindowSpec(method=method, length=min(shown, longest)) for method in METHODS]
    return Explorer("windows", data, SeenText(text, facts.title, vocabulary, at_first)._repr_html_())
