"""What a page says last, folded: how to run it, with which parameters it was run, on what, and from which runs."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tcstudy.catalog.profiles import PROFILES, PUBLISHED
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.report import encoders
from tcstudy.report.cells import runs_behind
from tcstudy.report.tables import Fold, Table, documents_used, made_with, run_with
from tcstudy.study.encoders import encoders_behind
from tcstudy.study.record import Record

NO_RUNS: Mapping[RunKey, Record] = {}


@dataclass(frozen=True)
class Folded:
    """A text and tables behind a line that opens them.

    Attributes:
        title: the line.
        text: Markdown.
        tables: what stands below it.
    """

    title: str
    text: str
    tables: Sequence[Table]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/markdown": self.markdown()}

    def html(self) -> str:
        """The fold as HTML."""
        tables = "".join(table.html() for table in self.tables)
        title, text = html.escape(self.title), html.escape(self.text)
        return f"<details><summary>{title}</summary><p>{text}</p>{tables}</details>"

    def markdown(self) -> str:
        """The fold as an admonition that is closed at first."""
        inside = "\n\n".join([self.text, *(table.markdown() for table in self.tables)])
        return f"`````{{admonition}} {self.title}\n:class: note dropdown\n\n{inside}\n`````"


def of(experiment: Experiment, records: Mapping[RunKey, Record] = NO_RUNS) -> list[Folded | Fold]:
    """The end of a page.

    Args:
        experiment: of the page.
        records: of its runs; none for a page that trains nothing.
    """
    tables = [run_with(experiment)]
    if made := encoders_behind(records.values()):
        tables.append(encoders.made(made, experiment.page))
    if records:
        tables += [documents_used(records, experiment.page), made_with(records, experiment.page)]
    folds: list[Folded | Fold] = [Folded("Parameters, command and provenance", command(experiment), tables)]
    return [*folds, runs_behind(records, experiment.page)] if records else folds


def command(experiment: Experiment) -> str:
    """How to make the page oneself, in Markdown."""
    run = f"`tcstudy run params/smoke/{experiment.page}.yaml`"
    if not experiment.runs():
        return f"To make this page yourself: {run}. It trains nothing."
    published, large = f"params/{PUBLISHED}/{experiment.page}.yaml", f"params/paper/{experiment.page}.yaml"
    needs = " and needs a GPU" if PROFILES["paper"].gpu else ""
    return (
        f"To make this page yourself: {run} takes minutes on two CPU cores. `tcstudy plan {published}` estimates how "
        f"long the published size takes on your machine. `{large}` is the paper's size{needs}."
    )
