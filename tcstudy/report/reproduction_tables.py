"""What others measured, as tables, sentences and rows of a figure."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean
from typing import Any

import pandas as pd

from tcstudy.report.cells import share_cell
from tcstudy.report.claims import PAPERS_CLAIMS, Claim, printed_effects
from tcstudy.report.published import printed_errors, published
from tcstudy.report.reproductions import (
    FAILS,
    FEWEST_SEEDS,
    HOLDS,
    MIXED,
    PARTS,
    UNMEASURED,
    Measured,
    Reproduction,
    answer,
    measured,
    reproductions,
)
from tcstudy.report.tables import Fold, Markup, Notice, Table, escape_html, escape_markdown, percent

SOLID, HOLLOW = "●", "○"
LEGEND = (
    f"{SOLID}: both standard deviations are printed, over {FEWEST_SEEDS} seeds or more; the 95% interval over seeds is "
    f"in brackets. {HOLLOW}: single runs, or a standard deviation or the number of seeds is missing. –: listed only."
)


@dataclass(frozen=True)
class Filtered:
    """A table with a selection box for each of `columns` above it; without scripts, the whole table."""

    table: Table
    columns: Sequence[str]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = self.table._repr_mimebundle_()
        return bundle | {"text/html": bundle["text/html"] + self._script(), "text/markdown": self.markdown()}

    def markdown(self) -> str:
        """The table as a MyST directive, followed by the script."""
        return f"{self.table.markdown()}\n\n```{{raw}} html\n{self._script()}\n```"

    def _script(self) -> str:
        places = [list(self.table.head).index(name) for name in self.columns]
        script = files(__package__).joinpath("filter.js").read_text(encoding="utf-8")
        return f'<script data-columns="{",".join(map(str, places))}">\n{script}</script>'


def answers_table(claims: Iterable[Claim], name: str) -> Table:
    """One row for each claim: what others' numbers say about it, and their sources."""
    rows = []
    for claim in claims:
        found = answer(claim.number)
        parts = "; ".join(f"{label}: {word}" for label, word in found.parts.items() if word != UNMEASURED)
        rows.append(
            [
                f"{claim.number}",
                Markup(claim.title, f"{{doc}}`{claim.title} <{claim.page}>`"),
                answer_cell(claim.number),
                parts or "–",
                _told(found.votes),
                _told(found.single),
                cited(found.sources),
            ]
        )
    head = ("no.", "claim", "others", "measured parts", f"votes {SOLID}", f"single runs {HOLLOW}", "sources")
    note = (
        "One vote for each source, encoder and data set. Only votes of comparisons with intervals decide; those of "
        "single runs are listed but do not count."
    )
    return Table(head, rows, "What others measured of each claim", name, note)


def _told(votes: dict[str | None, int]) -> str:
    """Votes in words, or a dash where there are none."""
    return ", ".join(f"{count} {vote or 'neither'}" for vote, count in votes.items() if count) or "–"


def answer_cell(claim: int | None) -> Markup:
    """The answer of others to a claim, with the number of measured parts if that is not all of them.

    A dash for a claim that is not the paper's.
    """
    if claim is None:
        return Markup("–", "–")
    found = answer(claim)
    some = 0 < found.measured < len(found.parts)
    of_parts = f" ({found.measured} of {len(found.parts)} parts)" if some else ""
    word = found.word if found.word == UNMEASURED else f"**{found.word}**"
    return Markup(f"{found.word}{of_parts}", f"{word}{of_parts}")


def cited(sources: Iterable[str]) -> Markup:
    """Citations of sources, or a dash."""
    keys = ",".join(sources)
    return Markup(keys or "–", f"{{cite:t}}`{keys}`" if keys else "–")


def beside(page: str) -> list[Fold | Notice]:
    """The results of others for a chapter, one for each of its claims: their answer, opening to its sources."""
    return [_beside(claim) for claim in PAPERS_CLAIMS if claim.page == page]


def _beside(claim: Claim) -> Fold | Notice:
    found = answer(claim.number)
    title = f"What others measured of claim {claim.number}, {claim.title}: {answer_cell(claim.number)}"
    if not found.shown:
        number = sum(row.claim == claim.number for row in reproductions())
        text = (
            f"None of the sources makes the comparison of the claim. {{doc}}`evidence` lists {number} related numbers."
        )
        return Notice("seealso", title, text)
    rows = [[of.row.part, *_setting(of.row), of.row.comparison, effect_cell(of), _origin(of.row)] for of in found.shown]
    head = ("part of the claim", "encoder", "data set", "comparison", "relative error reduction", "source")
    caption = f"Relative error reductions that others measured, claim {claim.number}"
    name = f"tab-others-{claim.number}"
    return Fold(title, [Table(head, rows, caption, name, LEGEND)], f"others-{claim.number}")


def _setting(row: Reproduction) -> tuple[str, str]:
    return row.encoder, row.dataset


def effect_cell(of: Measured | None) -> str:
    """An effect with its mark and its interval, if it has them."""
    if of is None:
        return "–"
    if of.low is None:
        return f"{HOLLOW} {percent(of.mean)}"
    return f"{SOLID} {share_cell(of.mean, of.low, of.high)}"


def numbers_table(rows: Iterable[Reproduction], name: str) -> Filtered:
    """Every number, with its effect and its source."""
    cells = [
        [
            f"{row.claim}",
            *_setting(row),
            _compared(row),
            _numbers(row),
            effect_cell(measured(row)),
            _origin(row),
        ]
        for row in rows
    ]
    head = ("claim", "encoder", "data set", "comparison", "measured", "relative error reduction", "source")
    return Filtered(Table(head, cells, "All published numbers of others", name, LEGEND), head[:3])


def _compared(row: Reproduction) -> Markup:
    remarks = [
        "tests the claim" if row.part else "related to the claim",
        f"window {row.window}",
        f"selected on {row.selected_on}",
        row.note,
    ]
    detail = "; ".join(remark for remark in remarks if remark)
    opened = "<details><summary><small>{}</small></summary><small>{}</small></details>"
    first, rest = detail.split("; ", 1)
    return Markup(
        f"{row.comparison}. {detail}",
        escape_markdown(row.comparison) + opened.format(first, escape_markdown(rest)),
        escape_html(row.comparison) + opened.format(first, escape_html(rest)),
    )


def _numbers(row: Reproduction) -> Markup:
    """The printed numbers, with standard deviations and seeds.

    >>> from tcstudy.report.reproductions import reproductions
    >>> print(_numbers(reproductions()[0]))
    94.57 ± 0.07 against 94.20 ± 0.08; accuracy, 3 seeds
    """
    given = [number for number in (row.score, row.reference, row.sd, row.reference_sd) if number is not None]
    digits = max(len(f"{number:g}".partition(".")[2]) for number in given)
    scores = [
        f"{score:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else "")
        for score, sd in ((row.score, row.sd), (row.reference, row.reference_sd))
        if score is not None
    ]
    counts = [row.seeds] if row.reference_seeds in (row.seeds, None) else [row.seeds, row.reference_seeds]
    known = " and ".join("?" if count is None else f"{count}" for count in counts)
    seeds = "seeds not stated" if known == "?" else f"{known} seed{'' if known == '1' else 's'}"
    printed = " against ".join(scores)
    shown = f"{printed}<br><small>{row.metric}, {seeds}</small>"
    return Markup(f"{printed}; {row.metric}, {seeds}", shown, shown)


def _origin(row: Reproduction) -> Markup:
    """The source, the place in it, and its address at the version that was read."""
    place = ", ".join(part for part in (row.where, row.origin, row.version[:7]) if part)
    if arxiv := re.match(r"arXiv (\d{4}\.\d{4,5})", row.origin):
        address = f"https://arxiv.org/abs/{arxiv[1]}"
    elif hosted := re.match(r"github:([\w.-]+/[\w.-]+)", row.origin):
        commit = f"/tree/{row.version}" if re.fullmatch(r"[0-9a-f]{40}", row.version) else ""
        address = f"https://github.com/{hosted[1]}{commit}"
    else:
        address = ""
    where = escape_markdown(row.where)
    linked = f"[{where}]({address})" if address else f"{where}; {escape_markdown(row.origin)}"
    second = "; second hand" if row.second_hand else ""
    return Markup(f"{row.source}: {place}{second}", f"{{cite:t}}`{row.source}`: {linked}{second}")


def yardstick() -> Notice:
    """The spread of many plain runs on TREC, next to the differences on which the paper bases its claim 9."""
    plain = [row for row in reproductions() if row.claim == 9 and row.reference_sd and row.reference_seeds]
    [claim] = [claim for claim in PAPERS_CLAIMS if claim.number == 9]
    errors = printed_errors("table-6").unstack("column")["trec"]
    differences = {
        label: 100 * abs(share) * errors[part.contrast.reference]
        for label, (part, share) in printed_effects(claim.parts, claim.paper()).items()
    }
    apart = "; ".join(f"{label}, {points:.1f} points" for label, points in differences.items())
    spreads = "; ".join(
        f"{row.reference_seeds} runs of `{row.encoder}` have a standard deviation of {row.reference_sd:g} points "
        f"({{cite:t}}`{row.source}`), so the difference of two single runs has one of "
        f"{math.sqrt(2) * row.reference_sd:.1f} points from seeds alone"
        for row in plain
    )
    sizes = published("table-1").set_index(["row", "column"])["value"]
    question = 100 / int(sizes["trec", "test_samples"])
    text = f"Claim 9 rests on {apart}; one test question is {question:.1f} points. Elsewhere, {spreads}."
    return Notice("note", "How far apart single runs on TREC lie", text)


def found(claims: Sequence[Claim]) -> Notice:
    """The number of claims with each answer; those that hold or do not by their titles."""
    told = []
    for word, verb in ((HOLDS, "hold"), (FAILS, "do not hold"), (MIXED, "are mixed"), (UNMEASURED, "are unmeasured")):
        titles = [f"“{escape_markdown(claim.title)}”" for claim in claims if answer(claim.number).word == word]
        named = f" ({', '.join(titles)})" if word in (HOLDS, FAILS) and titles else ""
        told.append(f"{len(titles)} {verb}{named}")
    rows = reproductions()
    sources = len({row.source for row in rows})
    text = (
        f"{len(rows)} numbers come from {sources} sources. By the rule below, of the paper's {len(claims)} claims "
        f"{'; '.join(told)}, judged by those of their parts that were measured."
    )
    return Notice("tip", "What others measured", text)


def overview(claims: Iterable[Claim]) -> pd.DataFrame:
    """One row for each claim with the votes on it, for `effect_figures.effects`; nothing of this study or the paper."""
    rows = []
    for claim in claims:
        found = answer(claim.number)
        part = found.shown[0].part if found.shown else None
        rows.append(
            {
                "label": f"{claim.number}. {claim.title}",
                **dict.fromkeys(("mean", "low", "high", "paper"), math.nan),
                "smallest": part.smallest.share if part else math.nan,
                "gain": part.gain if part else None,
                "decision": found.word,
                "others": marks(claim.number),
            }
        )
    return pd.DataFrame(rows)


def forest(claims: Iterable[Claim]) -> pd.DataFrame:
    """All effects that are about claims, for `effect_figures.forest`.

    Returns:
        Columns part (with its claim's number), label (of the line: source, encoder and data set), mean, low, high
        (missing for hollow marks), side ("for", "against", "neither"), smallest and gain.
    """
    rows = [
        {
            "part": f"{claim.number}. {of.row.part}",
            "label": f"{of.row.dataset}, {of.row.encoder} ({of.row.source})",
            "mean": of.mean,
            "low": of.low,
            "high": of.high,
            "side": of.side or "neither",
            "smallest": of.part.smallest.share,
            "gain": of.part.gain,
        }
        for claim in claims
        for of in answer(claim.number).shown
    ]
    return pd.DataFrame(rows).astype({"low": float, "high": float})


def marks(claim: int | None) -> list[tuple[float, bool]]:
    """For the chart of claims the mean effect of each vote on a claim, and whether it is of solid comparisons."""
    groups: dict[object, list[Measured]] = {}
    for of in answer(claim).shown if claim in PARTS else ():
        row = of.row
        groups.setdefault((row.mark, row.part, row.source, row.encoder, row.dataset), []).append(of)
    return [(fmean(of.mean for of in group), group[0].low is not None) for group in groups.values()]
