"""What a page answers before all else: what became of its claims, what its runs show, and who made it."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.profiles import PROFILES
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.report.cells import percent_range, share_cell
from tcstudy.report.claims import CLAIMS
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import Notice, escape_markdown, percent, points
from tcstudy.report.verdict_tables import wanted
from tcstudy.report.verdicts import FAILS, HOLDS, Finding, Verdict, verdict
from tcstudy.study.encoders import encoders_behind
from tcstudy.study.record import Record


def lowest_errors(errors: pd.DataFrame, reference: str) -> Notice:
    """Which variant has the lowest mean error on each data set, and which differ significantly from the reference.

    Args:
        errors: as `stats.errors` gives them, compared with `reference`.
        reference: the variant that the others were compared with.
    """
    paragraphs = [_paragraph(name, cells, reference) for name, cells in errors.groupby("dataset", sort=False)]
    if (errors["runs"] == 1).all():
        paragraphs.append("These are runs of a single seed; another seed may give other errors.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _paragraph(dataset: str, cells: pd.DataFrame, reference: str) -> str:
    title, reference = escape_markdown(dataset_title(dataset)), escape_markdown(reference)
    cells = cells.assign(variant=cells["variant"].map(escape_markdown))
    converged = cells.dropna(subset="mean").set_index("variant")
    if converged.empty:
        return f"{title}: no run converged."
    best = converged["mean"].idxmin()
    first = f"{title}: {best} has the lowest mean error, {percent_range(converged.loc[best])}"
    compared = converged[converged["p"].notna()]
    if reference not in converged.index or compared.empty:
        return f"{first}."
    if best != reference:
        first += f"; {reference} has {percent_range(converged.loc[reference])}"
    shown = compared[compared["differs"]]
    fewer, more = (shown[sign * shown["change"] > 0] for sign in (-1, 1))
    told = [
        f"Significantly {word} errors than {reference}: {_listed(group)}."
        for word, group in (("fewer", fewer), ("more", more))
        if len(group)
    ]
    if len(compared) > len(shown):
        told.append(f"No {'other ' if told else ''}difference from {reference} is significant.")
    return " ".join([f"{first}.", *told])


def _listed(cells: pd.DataFrame) -> str:
    return ", ".join(f"{variant} ({points(change)} points)" for variant, change in cells["change"].items())


QUANTITIES = {
    "errors": "relative error reduction",
    "failures": "share of runs",
    "forgetting": "further rise of the MLM loss on general text",
}
"""What the effect of a comparison is, by `Part.quantity`."""


@dataclass(frozen=True)
class Answer:
    """The box at the top of a page.

    Attributes:
        kind: of the admonition.
        paragraphs: of plain text, each with what stands in bold before it.
    """

    kind: str
    paragraphs: Sequence[tuple[str, str]]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/markdown": self.markdown()}

    def html(self) -> str:
        """The box as HTML."""
        paragraphs = (f"<p><b>{html.escape(bold)}</b> {html.escape(text)}</p>" for bold, text in self.paragraphs)
        return f"<blockquote><b>Answer</b>{''.join(paragraphs)}</blockquote>"

    def markdown(self) -> str:
        """The box as a MyST directive."""
        paragraphs = [
            " ".join(filter(None, [bold and f"**{escape_markdown(bold)}**", escape_markdown(text)]))
            for bold, text in self.paragraphs
        ]
        return "\n\n".join([f"```{{admonition}} Answer\n:class: {self.kind}", *paragraphs]) + "\n```"


def verdicts_of(
    experiment: Experiment, records: Mapping[RunKey, Record], base_rate: float | None = None
) -> list[Verdict]:
    """The verdicts on the claims that the records of a page decide; none for a page without claims.

    Args:
        experiment: of the page.
        records: of its runs.
        base_rate: the learning rate of the profile's other pages, where claims are about multiples of it.
    """
    page = PageRecords(experiment.runs(), records, encoders_behind(records.values()), base_rate)
    profile = PROFILES[experiment.profile]
    return [verdict(claim, page, profile) for claim in CLAIMS if claim.page == experiment.page]


def answer(experiment: Experiment, verdicts: Iterable[Verdict], *found: Notice) -> Answer:
    """The box: a paragraph for each verdict, what the runs show, and a line on the profile.

    Args:
        experiment: of the page.
        verdicts: as `verdicts_of` gives them.
        found: findings; only their text stands in the box.
    """
    facts = PROFILES[experiment.profile]
    paragraphs = [_verdict(one) for one in verdicts]
    paragraphs += [("", paragraph) for notice in found for paragraph in notice.text.split("\n\n")]
    kind = "tip" if facts.decides else facts.kind
    return Answer(kind, [*paragraphs, (f"{facts.title}.", facts.brief)])


def _verdict(found: Verdict) -> tuple[str, str]:
    claim = found.claim
    bold = f"“{claim.title[0].upper()}{claim.title[1:]}”: {found.decision}."
    if found.deciding is None:
        return bold, _sentence(found.obstacle)
    if found.decision in (HOLDS, FAILS):
        return bold, _effect(found.deciding)
    return bold, " ".join([_effect(found.deciding), _sentence(_first(found.deciding.reason)), *_decided(found)])


def _first(reasons: str) -> str:
    """The first of several reasons, and how many more there are; the page of verdicts has them all."""
    first, *more = reasons.split("; ")
    return f"{first}, and {len(more)} more" if more else first


def _decided(found: Verdict) -> list[str]:
    """How many comparisons of a claim were decided that was not as a whole; nothing where none was."""
    counts = [sum(one.decision == decision for one in found.findings) for decision in (HOLDS, FAILS)]
    if not any(counts):
        return []
    return [f"Of its {len(found.findings)} comparisons, {counts[0]} came out as claimed and {counts[1]} did not."]


def _effect(found: Finding) -> str:
    """What was compared, the effect beside what is claimed and what the paper has, and at what size."""
    papers = "" if found.paper is None else f"; the paper {percent(found.paper)}"
    compared = f"{found.part.label[0].upper()}{found.part.label[1:]}"
    if found.effect is None:
        return f"{compared}: claimed is {wanted(found.part)}{papers}."
    effect = share_cell(found.effect.mean, found.effect.low, found.effect.high)
    return (
        f"{compared}: {QUANTITIES[found.part.quantity]} {effect}; claimed is {wanted(found.part)}{papers}. "
        f"Size: {found.scale}."
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
