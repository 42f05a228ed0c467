"""Verdicts as tables, sentences and rows of a figure."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tcstudy.report.beside_paper import title
from tcstudy.report.cells import RUNS, share_cell
from tcstudy.report.claim_rules import SMALLEST, Part
from tcstudy.report.claim_sources import printed_effects
from tcstudy.report.claims import Claim
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import Markup, Notice, Table, escape_html, escape_markdown, percent
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN, Finding, Verdict


def verdicts_table(verdicts: Iterable[Verdict], name: str) -> Table:
    """One row for each claim, which leads to its chapter, with the comparison that its verdict hangs on."""
    rows = [
        [
            f"{verdict.claim.number}",
            Markup(verdict.claim.sentence, f"{{doc}}`{verdict.claim.sentence} <{verdict.claim.page}>`"),
            *_hangs_on(verdict),
            _decision(verdict),
        ]
        for verdict in verdicts
    ]
    head = ("", "claim", "hangs on", "paper", "here", "verdict")
    return Table(head, rows, "The paper's claims: share of errors saved, there and here with its 95% interval", name)


def short_table(verdicts: Iterable[Verdict], name: str) -> Table:
    """One row for each claim: in a few words, the paper's effect, ours, and the verdict."""
    rows = []
    for verdict in verdicts:
        finding, claim = verdict.deciding, verdict.claim
        effects = [paper_cell(finding.paper), effect_cell(finding, claim.page)] if finding else ["–", "–"]
        decision = Markup(verdict.decision, f"**{verdict.decision}**" if verdict.decision != OPEN else OPEN)
        rows.append(
            [f"{claim.number}", Markup(claim.title, f"{{doc}}`{claim.title} <{claim.page}>`"), *effects, decision]
        )
    caption = "The paper's claims: errors saved there and here, by the comparison that the verdict hangs on"
    return Table(("", "claim", "paper", "here", "verdict"), rows, caption, name)


def _decision(verdict: Verdict) -> Markup:
    """The decision; why, where there is none."""
    why = f": {verdict.reason}" if verdict.decision == OPEN else ""
    return Markup(f"{verdict.decision}{why}", f"**{verdict.decision}**{escape_markdown(why)}")


def _hangs_on(verdict: Verdict) -> list[str]:
    finding = verdict.deciding
    if finding is None:
        return ["–", "–", "–"]
    return [finding.part.label, paper_cell(finding.paper), effect_cell(finding, verdict.claim.page)]


def effect_cell(finding: Finding, page: str) -> str:
    """An effect with its interval, leading to the runs on their page, or a dash."""
    if finding.effect is None:
        return "–"
    effect = finding.effect
    return leading_to(share_cell(effect.mean, effect.low, effect.high), page, finding.runs)


def leading_to(text: str, page: str, runs: Sequence[str]) -> Markup:
    """A cell that shows its runs when it is pointed at, and leads to the list of them on `page`."""
    shown = f"runs {', '.join(runs)}"
    link = f'<a href="{page}.html#{RUNS}" title="{shown}" style="color: inherit; text-decoration: none">'
    return Markup(text, f"{link}{escape_markdown(text)}</a>", f'<span title="{shown}">{escape_html(text)}</span>')


def paper_cell(share: float | None) -> str:
    """The paper's effect, or a dash where it printed no numbers."""
    return "–" if share is None else percent(share)


def chapter(page: str) -> Markup:
    """A link to a page."""
    return Markup(page, f"{{doc}}`{page}`")


def comparisons_table(verdicts: Iterable[Verdict], name: str) -> Table:
    """One row for each comparison of each claim."""
    rows = [
        [
            f"{verdict.claim.number}",
            finding.part.label,
            wanted(finding.part),
            paper_cell(finding.paper),
            effect_cell(finding, verdict.claim.page),
            _measured_on(finding),
            f"{finding.decision}: {finding.reason}",
        ]
        for verdict in verdicts
        for finding in verdict.findings
    ]
    head = ("claim", "comparison", "claimed", "paper", "here", "on", "verdict")
    return Table(head, rows, "Every comparison of every claim", name)


def wanted(part: Part) -> str:
    """What a claim says of a comparison.

    >>> from tcstudy.report.contrasts import saves
    >>> wanted(Part("a against b", saves("a", "b"), gain=False))
    'less than 2%'
    """
    return f"{'at least' if part.gain else 'less than'} {part.smallest.share:.0%}"


def _measured_on(finding: Finding) -> str:
    effect = finding.effect
    if effect is None:
        return "–"
    documents = f", {effect.documents:,} documents" if finding.part.quantity == "errors" else ""
    return f"{', '.join(map(title, effect.datasets))}: {effect.runs} runs each{documents}"


def what_counts(name: str) -> Table:
    """From when on an effect counts, and why."""
    rows = [[f"{smallest.share:.0%}", smallest.reason] for smallest in SMALLEST]
    return Table(("smallest effect that counts", "since"), rows, "The smallest effects that count", name)


def verdicts_found(verdicts: Sequence[Verdict]) -> Notice:
    """How many claims hold, and which."""
    text = []
    verbs = {
        HOLDS: ("holds", "hold"),
        FAILS: ("does not hold", "do not hold"),
        OPEN: ("is not decided here", "are not decided here"),
    }
    for decision, (one, several) in verbs.items():
        numbers = [verdict.claim.number for verdict in verdicts if verdict.decision == decision]
        named = f": {', '.join(map(str, numbers))}" if 0 < len(numbers) < len(verdicts) else ""
        verb = one if len(numbers) == 1 else several
        text.append(f"{len(numbers)} {verb}{named}")
    return Notice("tip", "The verdicts", f"Of the paper's {len(verdicts)} claims, {'; '.join(text)}.")


def papers_own(claims: Iterable[Claim]) -> Notice:
    """Which comparisons would not be on the claim's side if the paper's own numbers were without error."""
    against = [
        f"claim {claim.number}, {label}: {percent(share)}, claimed is {wanted(part)}"
        for claim in claims
        if claim.paper
        for label, (part, share) in printed_effects(claim.parts, claim.paper()).items()
        if (share >= part.smallest.share) != part.gain
    ]
    text = "; ".join(against) or "none"
    return Notice("note", "The paper's own numbers", f"Even taken as exact, these fall short of their claims: {text}.")


def missing_runs(pages: Mapping[str, PageRecords], name: str) -> Table:
    """How many of each page's runs are recorded."""
    rows = [
        [chapter(page), f"{len(found.records):,} of {len(found.runs):,}", _last_made(found)]
        for page, found in pages.items()
    ]
    return Table(("page", "runs recorded", "last made"), rows, "The records that the verdicts are read from", name)


def _last_made(page: PageRecords) -> str:
    return max((record.provenance.made for record in page.records.values()), default="–")[:10]


def headlines(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row for each claim, of the comparison that its verdict hangs on, for `effect_figures.effects`."""
    return _rows((f"{v.claim.number}. {v.claim.title}", v.deciding, v.decision) for v in verdicts)


def comparisons(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row for each comparison of each claim, for `effect_figures.effects`."""
    return _rows(
        (f"{verdict.claim.number}. {finding.part.label}", finding, finding.decision)
        for verdict in verdicts
        for finding in verdict.findings
    )


def _rows(labelled: Iterable[tuple[str, Finding | None, str]]) -> pd.DataFrame:
    """Columns label, mean, low, high, paper (missing where there is none), smallest, gain and decision."""
    rows = []
    for label, finding, decision in labelled:
        effect = finding.effect if finding else None
        rows.append(
            {
                "label": label,
                **{name: getattr(effect, name) if effect else None for name in ("mean", "low", "high")},
                "paper": finding.paper if finding else None,
                "smallest": finding.part.smallest.share if finding else None,
                "gain": finding.part.gain if finding else None,
                "decision": decision,
            }
        )
    numbers = dict.fromkeys(("mean", "low", "high", "paper", "smallest"), float)
    return pd.DataFrame(rows, columns=["label", *numbers, "gain", "decision"]).astype(numbers)
