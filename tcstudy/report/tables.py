"""Tables as notebooks and the book show them, and the tables that every page has."""

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.profiles import PROFILES
from tcstudy.experiments.base import Experiment, RunKey, rate_text
from tcstudy.spec import PRETRAINING_PROTOCOLS, PROTOCOLS
from tcstudy.study.record import Record
from tcstudy.value import Value

CSV = "text/csv"
"""By which an output holds a table as a file."""


class Markup(str):
    """A cell with markup: MyST for the book, HTML for notebooks; any other cell is shown letter by letter."""

    myst: str
    html: str

    def __new__(cls, plain: str, myst: str, in_html: str | None = None) -> "Markup":
        """The plain text, with its form in the book beside it, and that in a notebook if it is not the plain text."""
        cell = super().__new__(cls, plain)
        cell.myst = myst
        cell.html = html.escape(plain) if in_html is None else in_html
        return cell


@dataclass(frozen=True)
class Table:
    """A table of ready-made strings; HTML in a notebook, a numbered MyST table in the book.

    Attributes:
        head: column names; the first column names the rows.
        rows: one sequence of cells each.
        caption: a sentence.
        name: target of cross-references.
        note: what must be known to read the cells; stands below.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    name: str
    note: str = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/markdown": self.markdown(), CSV: self.csv()}

    def csv(self) -> str:
        """The table as CSV, its cells as plain text; the book offers it below the table."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.head, *self.rows])
        return file.getvalue()

    def html(self) -> str:
        """The table as HTML."""
        sides = ["right" if numeric else "left" for numeric in self._numeric()]
        head, *rows = (
            "".join(
                f'<{tag} style="text-align: {side}">{escape_html(cell)}</{tag}>'
                for cell, side in zip(row, sides, strict=True)
            )
            for tag, row in [("th", self.head), *(("td", row) for row in self.rows)]
        )
        return (
            f"<table><caption>{html.escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"
            + (f"<p><small>{html.escape(self.note)}</small></p>" if self.note else "")
        )

    def markdown(self) -> str:
        """The table as a MyST directive, with caption and target."""
        lines = [[escape_markdown(cell) for cell in row] for row in (self.head, *self.rows)]
        lines.insert(1, ["--:" if numeric else ":--" for numeric in self._numeric()])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        table = f"````{{table}} {escape_markdown(self.caption)}\n:name: {self.name}\n\n{body}\n````"
        return f"{table}\n\n<small>{escape_markdown(self.note)}</small>" if self.note else table

    def _numeric(self) -> list[bool]:
        """Which columns hold nothing but numbers, and are set flush right."""
        columns = zip(*self.rows, strict=True) if self.rows else [[] for _ in self.head]
        return [all(cell.lstrip("+−-")[:1].isdigit() or cell == "–" for cell in column) for column in columns]


@dataclass(frozen=True)
class Fold:
    """Tables behind a line that opens them.

    Attributes:
        title: the line.
        tables: what stands behind it.
        anchor: a place that a page's cells lead to; empty where none does.
        text: Markdown that stands before the tables.
    """

    title: str
    tables: Sequence[Table]
    anchor: str = ""
    text: str = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        csv = {CSV: self.tables[0].csv()} if len(self.tables) == 1 else {}
        return {"text/html": self.html(), "text/markdown": self.markdown()} | csv

    def html(self) -> str:
        """The fold as HTML."""
        place = f' id="{self.anchor}"' if self.anchor else ""
        text = f"<p>{html.escape(self.text)}</p>" if self.text else ""
        inside = "".join(table.html() for table in self.tables)
        return f"<details{place}><summary>{html.escape(self.title)}</summary>{text}{inside}</details>"

    def markdown(self) -> str:
        """The fold as an admonition that is closed at first."""
        place = f'<a id="{self.anchor}"></a>\n\n' if self.anchor else ""
        inside = "\n\n".join([*filter(None, [self.text]), *(table.markdown() for table in self.tables)])
        opening = f"`````{{admonition}} {escape_markdown(self.title)}\n:class: note dropdown"
        return f"{place}{opening}\n\n{inside}\n`````"


@dataclass(frozen=True)
class Notice:
    """An admonition: its kind ("warning", "note", "tip"), title and Markdown text.

    What comes from outside, names and messages, is put into the text by `escape_markdown`. In case it was not, nothing
    in the text is HTML, leads to a script or ends the admonition.
    """

    kind: str
    title: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {
            "text/html": f"<blockquote><b>{html.escape(self.title)}</b><br>{html.escape(self.text)}</blockquote>",
            "text/markdown": self.markdown(),
        }

    def markdown(self) -> str:
        """The admonition as a MyST directive."""
        text = _FENCE.sub(lambda found: "".join(f"\\{character}" for character in found[0]), self.text)
        text = _HTML.sub(lambda found: found[1] or ("\\" * (len(found[2]) | 1) + "<"), text)
        text = _SCRIPT.sub(r"]\\(", text).replace("![", r"!\[")
        return f"```{{admonition}} {escape_markdown(self.title)}\n:class: {self.kind}\n\n{text}\n```"


_HTML = re.compile(r"(\{(?:doc|ref|numref|eq|cite:[pt])\}`[^`]*`)|(\\*)<(?=[a-zA-Z/!?])")
"""A reference, which may hold angle brackets of its own, or what begins an element of HTML, escaped or not."""
_FENCE = re.compile(r"`{3,}|~{3,}|:{3,}")
"""What opens or closes a directive."""
_SCRIPT = re.compile(r"\]\((?=\W*(?:javascript|vbscript|data)\b)", re.IGNORECASE)
"""The middle of a link that leads to a script."""


def escape_html(text: str) -> str:
    """`text` as HTML that shows it letter by letter, unless it has markup of its own."""
    return text.html if isinstance(text, Markup) else html.escape(text)


def escape_markdown(text: str) -> str:
    r"""`text` with everything that Markdown or MyST would take for markup made plain.

    A backtick becomes an entity, since a backslash does not keep it from ending code that another one began.

    >>> escape_markdown("a|b {x}`y`")
    'a\\|b \\{x\\}&#96;y&#96;'
    """
    if isinstance(text, Markup):
        return text.myst
    one_line = " ".join(text.splitlines())
    escaped = (f"\\{character}" if character in "\\*_{}[]<>#|$~^@&" else character for character in one_line)
    return "".join(escaped).replace("`", "&#96;")


def notice(experiment: Experiment) -> Notice:
    """What a page says of itself at the top."""
    facts = PROFILES[experiment.profile]
    return Notice(facts.kind, facts.title, facts.notice)


def run_with(experiment: Experiment) -> Table:
    """The parameters a page was run with."""
    rows = [(name, shown_value(value)) for name, value in given(experiment).items()]
    return Table(("parameter", "value"), rows, "This page was run with", f"run-with-{experiment.page}")


def given(value: Any) -> Any:
    """What was given of a description, as plain data, protocols by their names."""
    for name, protocol in (*PROTOCOLS.items(), *PRETRAINING_PROTOCOLS.items()):
        if value == protocol:
            return name
    if isinstance(value, Value):
        return {key: given(inner) for key, inner in value if key in value.model_fields_set}
    if isinstance(value, Mapping):
        return {key: given(inner) for key, inner in value.items()}
    return [given(inner) for inner in value] if isinstance(value, tuple) else value


def shown_value(value: Any) -> str:
    """Plain data in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown_value(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        between = "; " if value and isinstance(value[0], Mapping) else ", "
        return between.join(shown_value(inner) for inner in value) or "none"
    if isinstance(value, float) and 0 < abs(value) < 0.01:
        return rate_text(value)
    return value if isinstance(value, str) else json.dumps(value)


def made_with(records: Mapping[Any, Record], page: str) -> Table:
    """On what the records of a page were made, one row for each combination of machine and versions."""
    made = pd.DataFrame(
        [
            {
                "device": record.provenance.device,
                "system": record.provenance.system,
                "versions": ", ".join(f"{name} {number}" for name, number in record.provenance.libraries.items()),
                "made": record.provenance.made[:10],
                "seconds": record.cost.training_seconds + record.cost.evaluation_seconds,
            }
            for record in records.values()
        ]
    )
    rows = [
        (f"{device}, {system}", versions, str(len(group)), f"{group['seconds'].sum() / 60:.1f}", *_first_last(group))
        for (device, system, versions), group in made.groupby(["device", "system", "versions"])
    ]
    return Table(
        ("device", "versions", "runs", "minutes", "first made", "last made"),
        rows,
        "On what the runs of this page were made",
        f"made-with-{page}",
    )


def _first_last(group: pd.DataFrame) -> tuple[str, str]:
    return group["made"].min(), group["made"].max()


def documents_used(records: Mapping[RunKey, Record], page: str) -> Table:
    """What the runs of a page were trained and tested on, one row for each data set, draw and number of documents."""
    reports = {(key.dataset, key.draw, record.data.used_train): record.data for key, record in records.items()}
    rows = [
        (
            dataset_title(dataset),
            data.origin,
            f"{draw}",
            f"{data.used_train:,} / {data.used_validation:,} / {data.used_test:,}",
            f"{data.removed_from_train:,}",
            f"{data.validation_texts_in_train:,}",
        )
        for (dataset, draw, _), data in reports.items()
    ]
    head = (
        "data set",
        "origin",
        "draw",
        "train / validation / test",
        "dropped: also in test",
        "validation also in train",
    )
    return Table(head, rows, "Documents of this page's runs, and texts that stand in two splits", f"documents-{page}")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, or a dash where there is none.

    >>> percent(-0.618), percent(-1e-9)
    ('−61.8%', '0.0%')
    """
    return "–" if pd.isna(share) else minus(f"{round(share, digits + 2) + 0:.{digits}%}")


def nats(loss: float | None) -> str:
    """A loss in nats, or a dash."""
    return "–" if pd.isna(loss) else f"{loss:.2f}"


def duration(hours: float) -> str:
    r"""A time in the unit that suits it, or a dash.

    >>> duration(0.01), duration(-0.5), duration(30)
    ('36\xa0s', '−30.0\xa0min', '30.0\xa0h')
    """
    if pd.isna(hours):
        return "–"
    size = abs(hours)
    if size >= 1:
        return minus(f"{hours:,.1f}\xa0h")
    return minus(f"{60 * hours:.1f}\xa0min" if size >= 1 / 60 else f"{round(3600 * hours) + 0}\xa0s")


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign.

    >>> points(-0.012), points(0.0)
    ('−1.2', '0.0')
    """
    return signed(100 * share)


def signed(number: float, digits: int = 1) -> str:
    """A number with its sign, zero without.

    >>> signed(0.5), signed(-0.001, 2)
    ('+0.5', '0.00')
    """
    rounded = round(number, digits)
    return minus(f"{rounded:+.{digits}f}") if rounded else f"{0:.{digits}f}"


def minus(number: str) -> str:
    """A number in writing, with a true minus for the hyphen that it begins with.

    >>> minus("-0.5"), minus("2e-5")
    ('−0.5', '2e-5')
    """
    return f"−{number[1:]}" if number.startswith("-") else number


def from_to(numbers: Iterable[float]) -> str:
    """The smallest and the largest of whole numbers, once where they are the same.

    >>> from_to([500, 6, 1500]), from_to([64, 64]), from_to([])
    ('6 to 1,500', '64', '')
    """
    ends = sorted(set(numbers))
    return " to ".join(f"{number:,.0f}" for number in dict.fromkeys([*ends[:1], *ends[-1:]]))


def chapter(page: str) -> Markup:
    """A link to a page."""
    return Markup(page, f"{{doc}}`{page}`")
