"""Verdicts as tables, sentences and rows of a figure."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import share_cell, together, with_runs
from tcstudy.report.claim_rules import SMALLEST, Part
from tcstudy.report.claims import Claim, printed_effects
from tcstudy.report.intervals import LEAST_RUNS
from tcstudy.report.measured import PageRecords
from tcstudy.report.reproduction_tables import answer_cell, marks
from tcstudy.report.tables import Markup, Notice, Table, chapter, escape_markdown, percent
from tcstudy.report.verdicts import DECISIONS, FAILS, HOLDS, OPEN, UNTESTED, Finding, Verdict


def verdicts_table(verdicts: Iterable[Verdict], name: str) -> Table:
    """One row for each claim, which leads to its chapter, with the comparison that its verdict hangs on."""
    rows = []
    for verdict in verdicts:
        found, claim = verdict.deciding, verdict.claim
        rows.append(
            [
                claim.label,
                Markup(claim.sentence, f"{{doc}}`{claim.sentence} <{claim.page}>`"),
                _decision(verdict, with_reason=True),
                found.part.label if found else "–",
                *_answers(found, claim),
                found.scale if found and found.scale else "–",
            ]
        )
    head = ("no.", "claim", "verdict", "hangs on", *ANSWERS, "at the size of")
    return Table(head, rows, "The claims: share of errors saved, there and here with its 95% interval", name)


ANSWERS = ("paper", "others", "here")
"""The columns of answers to a claim, side by side; `_answers` makes the cells."""


def _answers(found: Finding | None, claim: Claim) -> list[str]:
    others = answer_cell(claim.number)
    return [percent(found.paper), others, effect_cell(found, claim.page)] if found else ["–", others, "–"]


def _decision(verdict: Verdict, with_reason: bool = False) -> Markup:
    """The decision; why, where there is none."""
    decided = verdict.decision in (HOLDS, FAILS)
    why = f": {first_reason(verdict.reason)}" if with_reason and not decided else ""
    shown = f"**{verdict.decision}**" if decided else verdict.decision
    return Markup(f"{verdict.decision}{why}", f"{shown}{escape_markdown(why)}")


def first_reason(reasons: str) -> str:
    """The first of several reasons, and how many more there are; the table of all comparisons has them all."""
    first, *more = reasons.split("; ")
    return f"{first}, and {len(more)} more" if more else first


def effect_cell(finding: Finding, page: str) -> str:
    """An effect with its interval, leading to the runs on their page, or a dash."""
    if finding.effect is None:
        return "–"
    effect = finding.effect
    return with_runs(share_cell(effect.mean, effect.low, effect.high), finding.runs, page)


def comparisons_table(verdicts: Iterable[Verdict], name: str) -> Table:
    """One row for each comparison of each claim, and for those that stand beside it."""
    rows = []
    for verdict in verdicts:
        for found in verdict.findings:
            rows.append(
                [
                    f"beside {verdict.claim.label}" if found.part.aside else verdict.claim.label,
                    found.part.label,
                    wanted(found.part),
                    percent(found.paper),
                    effect_cell(found, verdict.claim.page),
                    _measured_on(found),
                    f"{found.decision}: {found.reason}",
                ]
            )
    head = ("claim", "comparison", "claimed", "paper", "here", "on", "verdict")
    p_values = pd.Series(
        [found.effect.p for verdict in verdicts for found in verdict.findings if found.effect], dtype=float
    )
    return Table(head, rows, "Every comparison of every claim", name, _of_all(p_values))


def _of_all(p_values: pd.Series) -> str:
    """How many of the comparisons would be left if all were tested at once; no verdict depends on it."""
    return f"{together(p_values)} Verdicts stand on each comparison's own interval." if p_values.notna().any() else ""


def shared_runs(verdicts: Sequence[Verdict], name: str) -> Table:
    """One row for each claim that has effects: its runs, and which other claims stand on how many of them."""
    runs = [{run for found in verdict.findings for run in found.runs} for verdict in verdicts]
    labels = [verdict.claim.label for verdict in verdicts]
    rows = []
    for place, own in enumerate(runs):
        shared = [(labels[other], len(own & theirs)) for other, theirs in enumerate(runs) if other != place]
        if own:
            told = ", ".join(f"{other} ({number:,})" for other, number in shared if number)
            rows.append([labels[place], f"{len(own):,}", told or "none"])
    head = ("claim", "runs", "other claims that stand on some of them, and on how many")
    return Table(head, rows, "Verdicts that stand on the same runs are one finding told more than once", name)


def wanted(part: Part) -> str:
    """What a claim says of a comparison.

    >>> from tcstudy.report.claim_rules import saves
    >>> wanted(Part("a against b", {}, saves("a", "b"), gain=False))
    'less than 2%'
    """
    return f"{'at least' if part.gain else 'less than'} {part.smallest.share:.0%}"


def _measured_on(finding: Finding) -> str:
    effect = finding.effect
    if effect is None:
        return "–"
    documents = f", {effect.documents:,} documents" if finding.part.quantity == "errors" else ""
    return f"{', '.join(map(dataset_title, effect.datasets))}: {effect.runs} runs each{documents}"


def what_counts(name: str) -> Table:
    """From when on an effect counts, and why."""
    rows = [[f"{smallest.share:.0%}", smallest.reason] for smallest in SMALLEST]
    note = f"Fewer than {LEAST_RUNS} draws or seeds of each variant decide nothing."
    return Table(("smallest effect that counts", "reason"), rows, "The smallest effects that count", name, note)


def verdicts_found(verdicts: Sequence[Verdict]) -> Notice:
    """How many claims hold, do not, are not decided and were not tested; the decided ones by their titles."""
    text = []
    verbs = {
        HOLDS: ("holds", "hold"),
        FAILS: ("does not hold", "do not hold"),
        OPEN: ("is not decided here", "are not decided here"),
        UNTESTED: ("is not tested here", "are not tested here"),
    }
    for decision in DECISIONS:
        one, several = verbs[decision]
        names = [f"“{escape_markdown(verdict.claim.title)}”" for verdict in verdicts if verdict.decision == decision]
        named = f" ({', '.join(names)})" if decision in (HOLDS, FAILS) and names else ""
        verb = one if len(names) == 1 else several
        text.append(f"{len(names)} {verb}{named}")
    own = sum(verdict.claim.number is None for verdict in verdicts)
    beside = f" and {own} of this book's own" if own else ""
    return Notice("tip", "The verdicts", f"Of the paper's {len(verdicts) - own} claims{beside}, {'; '.join(text)}.")


def papers_own(claims: Iterable[Claim]) -> Notice:
    """Which comparisons would not be on the claim's side if the paper's own numbers were without error."""
    against = [
        f"claim {claim.label}, {label}: {percent(share)}, the claim asks for {wanted(part)}"
        for claim in claims
        if claim.paper
        for label, (part, share) in printed_effects(claim.parts, claim.paper()).items()
        if not part.aside and (share >= part.smallest.share) != part.gain
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


def headlines(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row for each claim, of the comparison that its verdict hangs on, for `effect_figures.effects`.

    With a column of what others measured of the claim, where that comparison is of errors, as theirs are.
    """
    rows = _rows((f"{v.claim.label}. {v.claim.title}", v.deciding, v.decision) for v in verdicts)
    comparable = [v.deciding is None or v.deciding.part.quantity == "errors" for v in verdicts]
    return rows.assign(others=[marks(v.claim.number) if of else [] for v, of in zip(verdicts, comparable, strict=True)])


def comparisons(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row for each comparison of each claim, for `effect_figures.effects`."""
    return _rows(
        (f"{verdict.claim.label}. {finding.part.label}", finding, finding.decision)
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
