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
from tcstudy.report.verdict_tables import first_reason, wanted
from tcstudy.report.verdicts import FAILS, HOLDS, UNTESTED, Finding, Verdict, verdict
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
    "errors": "errors saved",
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
        details: more of them, which a narrow screen folds so that the figure below is in sight.
    """

    kind: str
    paragraphs: Sequence[tuple[str, str]]
    details: Sequence[tuple[str, str]] = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/markdown": self.markdown()}

    def html(self) -> str:
        """The box as HTML."""
        opened = f"<details open><summary>{DETAILS}</summary>{_html(self.details)}</details>" if self.details else ""
        return f"<blockquote><b>Answer</b>{_html(self.paragraphs)}{opened}</blockquote>"

    def markdown(self) -> str:
        """The box as a MyST directive."""
        told = [f"````{{admonition}} Answer\n:class: {self.kind}", *_markdown(self.paragraphs)]
        if self.details:
            fold = f"```{{dropdown}} {DETAILS}\n:open:\n:class-container: answer-details"
            told += [fold, *_markdown(self.details[:-1]), f"{_markdown(self.details[-1:])[0]}\n```"]
        return "\n\n".join(told) + "\n````"


DETAILS = "What else the runs show"
CANNOT_TELL = "These runs cannot tell."
MOST_TOLD = 2
"""The number of comparisons of an undecided claim that are told one by one."""


def _html(paragraphs: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<p><b>{html.escape(bold)}</b> {html.escape(text)}</p>" for bold, text in paragraphs)


def _markdown(paragraphs: Sequence[tuple[str, str]]) -> list[str]:
    return [
        " ".join(filter(None, [bold and f"**{escape_markdown(bold)}**", escape_markdown(text)]))
        for bold, text in paragraphs
    ]


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
    """The box: a paragraph for each verdict, what the runs show, and a line on profile and size.

    Beside verdicts, what else is known of their claims and what the runs show are details.

    Args:
        experiment: of the page.
        verdicts: as `verdicts_of` gives them.
        found: findings; only their text stands in the box.
    """
    facts = PROFILES[experiment.profile]
    verdicts = list(verdicts)
    shown = [("", paragraph) for notice in found for paragraph in notice.text.split("\n\n")]
    sizes = list(dict.fromkeys(of.deciding.scale for of in verdicts if of.deciding and of.deciding.effect))
    size = f" Measured with {sizes[0]}." if len(sizes) == 1 else ""
    profile = (f"{facts.title}.", facts.brief + size)
    kind = "tip" if facts.decides else facts.kind
    if not verdicts:
        return Answer(kind, [*shown, profile])
    told = [(_title(of), _told(of, with_size=len(sizes) > 1)) for of in verdicts]
    return Answer(kind, [*told, profile], [*_reasons(verdicts), *shown])


def _title(found: Verdict) -> str:
    title = found.claim.title
    return f"“{title[0].upper()}{title[1:]}”: {found.decision}."


def _told(found: Verdict, with_size: bool) -> str:
    """What the verdict hangs on; where runs do not decide, why, and the effect only if they test the claim."""
    if found.deciding is None:
        return _sentence(found.obstacle)
    effect = _effect(found.deciding, with_size)
    if found.decision in (HOLDS, FAILS):
        return effect
    why = _sentence(first_reason(found.deciding.reason))
    return why if found.decision == UNTESTED else f"{CANNOT_TELL} {why} {effect}"


def _reasons(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """What else is known of claims that were not decided, each after its name where the page has several."""
    told = []
    for of in verdicts:
        if of.deciding is not None and of.decision not in (HOLDS, FAILS):
            untested = [_effect(of.deciding, with_size=False)] if of.decision == UNTESTED and of.deciding.effect else []
            if rest := [*untested, *_decided(of)]:
                name = f"{of.claim.title[0].upper()}{of.claim.title[1:]}:" if len(verdicts) > 1 else ""
                told.append((name, " ".join(rest)))
    return told


def _decided(found: Verdict) -> list[str]:
    """Which comparisons of a claim were decided that was not as a whole, with their effects if they are few."""
    if not found.decided:
        return []
    claimed, count = sum(one.decision == HOLDS for one in found.decided), len(found.decided)
    told = f"Of its {len(found.own)} comparisons, {claimed} came out as claimed and {count - claimed} did not."
    return [told, *(_effect(one, with_size=False) for one in found.decided if count <= MOST_TOLD)]


def _effect(found: Finding, with_size: bool) -> str:
    """What was compared, the effect beside what is claimed and what the paper has, and perhaps at what size."""
    papers = "" if found.paper is None else f"; in the paper {percent(found.paper)}"
    compared = f"{found.part.label[0].upper()}{found.part.label[1:]}"
    if found.effect is None:
        return f"{compared}: the claim asks for {wanted(found.part)}{papers}."
    effect = share_cell(found.effect.mean, found.effect.low, found.effect.high)
    if found.left_out:
        compared += f", without {' and '.join(found.left_out)}"
    size = f" Measured with {found.scale}." if with_size else ""
    asked = f"the claim asks for {wanted(found.part)}"
    return f"{compared}: {QUANTITIES[found.part.quantity]} {effect}; {asked}{papers}.{size}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"
