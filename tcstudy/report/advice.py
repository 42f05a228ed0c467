"""What to do: each piece of advice is a value with its evidence, and stands only as long as that carries it.

Evidence is what others measured at full size (`reproductions.answer`), or an effect in this study's own records by the
rule of the verdicts (`verdicts.find`). It *carries* a piece of advice where it holds, and speaks *against* it where it
does not hold. A piece of advice stands if something carries it and nothing speaks against it; the numbers to use are
read from the comparisons that carry it. Nothing here holds a number of its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.profiles import Profile
from tcstudy.experiments.bag_of_words import BAG_OF_WORDS
from tcstudy.experiments.base import rate_text
from tcstudy.experiments.base_rate import rate_name
from tcstudy.report import claim_rules as rules
from tcstudy.report.cells import change_cell, percent_range, share_cell
from tcstudy.report.claim_rules import FEATURES, FIT, Part, Rule, gains, saves
from tcstudy.report.cost import duration, prices
from tcstudy.report.intervals import LEAST_RUNS, LEVEL
from tcstudy.report.measured import PageRecords
from tcstudy.report.rates import mean_over_datasets, validation_by_rate
from tcstudy.report.reproductions import (
    FAILS,
    FEWEST_SEEDS,
    HOLDS,
    Measured,
    Reproduction,
    answer,
    measured,
    once,
    reproductions,
    votes,
)
from tcstudy.report.stats import errors
from tcstudy.report.tables import Markup, Notice, Table, escape_markdown, from_to
from tcstudy.report.verdicts import find
from tcstudy.spec import PretrainingRecipe, RunSpec, TrainingSpec, WindowSpec

PAGES = ("base_rate", "hard_documents")
"""The pages whose records advice rests on, besides those of claims and costs."""
Case = Literal["labels", "texts", "budget"]
Pages = Mapping[str, PageRecords]


@dataclass(frozen=True)
class Evidence:
    """What a piece of advice rests on.

    Attributes:
        text: the effects with their intervals, at which size and by whom they were measured; MyST.
        basis: the comparison, as the tables call it: the number of a claim and its part for what others measured, a
            page and a comparison for this study's own.
        values: the numbers to use, by their names in `Clause.text`.
        full_size: whether others measured it at full size; else it is this study's own.
    """

    text: str
    basis: tuple[str, str]
    values: Mapping[str, str]
    full_size: bool


@dataclass(frozen=True)
class Found:
    """What was looked for: evidence that carries the advice, or None, and whether it speaks against it."""

    evidence: Evidence | None
    against: bool = False


Source = Callable[[Pages, Profile], Found]
NOTHING = Found(None)


@dataclass(frozen=True)
class Clause:
    """One thing to do.

    Attributes:
        text: what, in MyST, with places for numbers that the evidence gives; what is in bold stands for it in short.
        page: the chapter on it.
        sources: where its evidence is looked for.
        cases: the rows of the table of decisions that it answers.
    """

    text: str
    page: str
    sources: tuple[Source, ...]
    cases: tuple[tuple[Case, str], ...] = ()


@dataclass(frozen=True)
class Carried:
    """A clause that stands: what to do with its numbers, and all evidence that carries it."""

    clause: Clause
    evidence: tuple[Evidence, ...]

    @property
    def do(self) -> str:
        """What to do; a number that several sources give is that of the first."""
        values: dict[str, str] = {}
        for evidence in reversed(self.evidence):
            values |= evidence.values
        return self.clause.text.format(**values)

    @property
    def short(self) -> str:
        """What is in bold of it."""
        return re.search(r"\*\*(.+?)\*\*", self.do)[1]


def others(claim: int, part: str, values: str = "", on: str = "") -> Source:
    """What others measured of a part of a claim.

    Args:
        claim: its number.
        part: as in `reproductions.PARTS`.
        values: a pattern; its named groups are the numbers to use, read from data set and comparison of each row on
            the claim's side. Without a row that it matches the evidence carries nothing.
        on: a pattern of data set and comparison; only these effects are shown, all by default.
    """

    def source(pages: Pages, profile: Profile) -> Found:
        found = answer(claim)
        word = found.parts[part]
        if word != HOLDS:
            return Found(None, against=word == FAILS)
        solid = [of for of in found.shown if of.row.part == part and of.low is not None]
        shown = [of for of in solid if of.side == "for" and re.search(on, _place(of))]
        numbers = _numbers(values, shown)
        if not shown or numbers is None:
            return NOTHING
        return Found(Evidence(_told(shown, solid), (f"{claim}", part), numbers, full_size=True))

    return source


def _place(of: Measured) -> str:
    return f"{of.row.dataset}: {of.row.comparison}"


def _numbers(pattern: str, shown: Sequence[Measured]) -> dict[str, str] | None:
    """The named groups of a pattern over all rows, "a to b" where they differ; None if no row matches it."""
    if not pattern:
        return {}
    matches = [match.groupdict() for of in shown if (match := re.search(pattern, _place(of)))]
    if not matches:
        return None
    ordered = {name: sorted({match[name] for match in matches}, key=float) for name in matches[0]}
    return {name: " to ".join(dict.fromkeys([of[0], of[-1]])) for name, of in ordered.items()}


def _told(shown: Sequence[Measured], solid: Sequence[Measured]) -> str:
    """The smallest and the largest effect that is shown, who measured it, and how many others are for it or not."""
    ordered = sorted(shown, key=lambda of: of.mean)
    ends = dict.fromkeys(share_cell(of.mean, of.low, of.high) + _where(of, shown) for of in (ordered[0], ordered[-1]))
    rows = [of.row for of in shown]
    keys = ",".join(dict.fromkeys(row.source for row in rows))
    cast, kind = votes(solid), "pairs of encoder and data set"
    if len(cast) == 1:
        cast, kind = [of.side for of in solid], "comparisons"
    counts = [cast.count("for"), cast.count("against") + cast.count("split"), cast.count(None)]
    pairs = (
        f"; of all {len(cast)} {kind} that were measured, {counts[0]} are for it, {counts[1]} against it and "
        f"{counts[2]} on neither side"
        if len(cast) > counts[0]
        else ""
    )
    seeds = from_to(filter(None, (row.seeds for row in rows)))
    saved = f"errors saved, {rows[0].part}: {' to '.join(ends)}"
    return f"{saved}, {_setting(rows)}, {seeds} seeds ({{cite:t}}`{keys}`){pairs}"


def _where(of: Measured, among: Sequence[Measured]) -> str:
    return f" on {of.row.dataset}" if len({one.row.dataset for one in among}) > 1 else ""


def _setting(rows: Sequence[Reproduction]) -> str:
    encoders = " and ".join(f"`{name}`" for name in dict.fromkeys(row.encoder for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    windows = from_to(int(row.window) for row in rows if row.window.isdigit())
    on = datasets[0] if len(datasets) == 1 else f"{len(datasets)} data sets"
    return f"{encoders}, {on}" + (f", window {windows}" if windows else "")


def own(page: str, rule: Rule, label: str = "") -> Source:
    """A comparison in this study's own records, decided as verdicts are.

    Args:
        page: whose records.
        rule: of comparisons; the first counts, or the first whose label begins with `label`.
        label: which.
    """

    def source(pages: Pages, profile: Profile) -> Found:
        if page not in pages or not profile.decides:
            return NOTHING
        part = next((part for part in rule(pages[page].table) if part.label.startswith(label)), None)
        if part is None:
            return NOTHING
        found = find(part, pages[page])
        if found.decision != HOLDS or found.effect is None:
            return Found(None, against=found.decision == FAILS)
        effect, sets = found.effect, ", ".join(map(dataset_title, found.effect.datasets))
        shown = share_cell(effect.mean, effect.low, effect.high)
        text = f"{_SAVED[part.quantity]} here: {shown}, {sets} ({escape_markdown(found.scale)})"
        return Found(Evidence(text, (page, part.label), {}, full_size=False))

    return source


_SAVED = {"errors": "errors saved", "failures": "runs that fail", "forgetting": "forgotten"}


def denied(claim: int, part: str) -> Source:
    """Whether others measured what a piece of advice denies; it carries nothing."""
    return lambda pages, profile: Found(None, against=answer(claim).parts[part] == HOLDS)


def piecewise(runs: pd.DataFrame) -> list[Part]:
    """Methods that read all of a text piece by piece against head and tail, whatever the window cuts away."""
    return [
        replace(part, label=f"{other} against head+tail", contrast=saves(other, "head+tail"), untested="", aside=False)
        for part in rules.long_texts(runs)
        for other in part.arms
        if other.startswith("hierarchical")
    ]


def best_of(claim: int, pattern: str) -> Source:
    """Of the values that others compared in pairs, the one that beats some beyond chance and is beaten by none.

    Args:
        claim: the number of the claim that the comparisons are about or stand beside.
        pattern: of a comparison, with the groups `one` and `other` for the values compared; the number to use is
            `best`, with those that could not be told apart from it.
    """

    def source(pages: Pages, profile: Profile) -> Found:
        rows = once(row for row in reproductions() if row.claim == claim and re.search(pattern, row.comparison))
        solid = [of for of in map(measured, rows) if of is not None and of.low is not None]
        better = {of.row.comparison: _better(of, pattern) for of in solid}
        winners = {name for name in better.values() if name}
        if len(winners) != 1:
            return NOTHING
        [best] = winners
        told, level = [], []
        for of in solid:
            one, other = re.search(pattern, of.row.comparison).group("one", "other")
            if best in (one, other):
                oriented = of if best == one else measured(_swapped(of.row))
                loser = other if best == one else one
                told.append(f"{share_cell(oriented.mean, oriented.low, oriented.high)} against {loser}")
                level += [] if better[of.row.comparison] else [loser]
        shown = [of.row for of in solid]
        keys = ",".join(dict.fromkeys(row.source for row in shown))
        seeds = from_to(filter(None, (row.seeds for row in shown)))
        text = f"errors saved by {best}: {', '.join(told)}; {_setting(shown)}, {seeds} seeds ({{cite:t}}`{keys}`)"
        values = {"best": " or ".join([best, *level])}
        return Found(Evidence(text, (f"{claim}", shown[-1].part), values, full_size=True))

    return source


def _better(of: Measured, pattern: str) -> str:
    """Which of the two values of a comparison makes fewer errors beyond chance; empty for neither."""
    one, other = re.search(pattern, of.row.comparison).group("one", "other")
    return one if of.low > 0 else other if of.high < 0 else ""


def _swapped(row: Reproduction) -> Reproduction:
    """The same comparison told from its other side."""
    return row.model_copy(
        update={
            "score": row.reference,
            "reference": row.score,
            "sd": row.reference_sd,
            "reference_sd": row.sd,
            "seeds": row.reference_seeds,
            "reference_seeds": row.seeds,
        }
    )


def rate_search(pages: Pages, profile: Profile) -> Found:
    """The best learning rate on validation, if it is not the paper's and the intervals of the two do not meet."""
    page = pages.get("base_rate")
    if page is None or not page.records or not profile.decides:
        return NOTHING
    means = mean_over_datasets(validation_by_rate(page.records)).dropna()
    papers = TrainingSpec().learning_rate
    if papers not in means.index or means["mean"].idxmin() == papers:
        return NOTHING
    best = means["mean"].idxmin()
    if means.loc[best, "high"] >= means.loc[papers, "low"]:
        return NOTHING
    beside = [
        rate_text(rate) for rate in means.index if rate != best and means.loc[rate, "low"] <= means.loc[best, "high"]
    ]
    close = f"; that at {rate_text(best)} overlaps those at {', '.join(beside)}" if beside else ""
    run = next(iter(page.records.values()))
    sets = page.table["dataset"].nunique()
    text = (
        f"validation errors here: {percent_range(means.loc[best])} at {rate_text(best)}, "
        f"{percent_range(means.loc[papers])} at {rate_text(papers)}{close} ({_encoder(page)}, {sets} data sets, "
        f"{run.data.used_train:,} labels, {page.table['seed'].nunique()} seeds)"
    )
    values = {"low": rate_text(min(means.index)), "high": rate_text(max(means.index))}
    return Found(Evidence(text, ("base_rate", rate_name(best)), values, full_size=False))


def bag_of_words(pages: Pages, profile: Profile) -> Found:
    """Where a bag of words was not shown to make more errors than the fine-tuned encoder, and where it was."""
    page = pages.get("bag_of_words")
    if page is None or not profile.decides:
        return NOTHING
    found = errors(page.records, FIT) if page.records else pd.DataFrame()
    rows = found[found["variant"] == BAG_OF_WORDS].dropna(subset="change") if len(found) else found
    if rows.empty or found["runs"][found["variant"] == FIT].min() < LEAST_RUNS:
        return NOTHING
    worse = (rows["differs"] & (rows["change"] > 0)).to_numpy()
    if worse.all():
        return Found(None, against=True)
    fit = found[found["variant"] == FIT]
    window = next(record.spec.window.length for record in page.records.values() if isinstance(record.spec, RunSpec))
    labels = from_to(record.data.used_train for record in page.records.values())
    more = f"; more errors on {_changes(rows[worse])}" if worse.any() else ""
    text = (
        f"difference from fine-tuning here, in points of error: {_changes(rows[~worse])}{more} ({_encoder(page)}, "
        f"window {window}, of which the bag of words needs none; {from_to(fit['runs'])} runs; a run takes "
        f"{rows['seconds'].mean():,.0f} s, one of the encoder {fit['seconds'].mean():,.0f} s)"
    )
    sets, more = (", ".join(map(dataset_title, rows.loc[of, "dataset"])) or "none" for of in (~worse, worse))
    values = {"sets": sets, "more": more, "labels": labels}
    return Found(Evidence(text, ("bag_of_words", BAG_OF_WORDS), values, full_size=False))


def _changes(rows: pd.DataFrame) -> str:
    return ", ".join(
        f"{dataset_title(row.dataset)} {change_cell(row.change, row.change_low, row.change_high)}"
        for row in rows.itertuples()
    )


def _encoder(page: PageRecords) -> str:
    names = (record.spec.encoder.name for record in page.records.values() if isinstance(record.spec, RunSpec))
    return escape_markdown(next(names))


def spread_of_runs(pages: Pages, profile: Profile) -> Found:
    """How far two single runs lie apart by seeds alone, from the widest spread of many plain runs that others print."""
    plain = [
        row
        for row in reproductions()
        if row.claim == 9 and row.reference_sd and (row.reference_seeds or 0) >= 2 * FEWEST_SEEDS
    ]
    if not plain:
        return NOTHING
    row = max(plain, key=lambda row: row.reference_seeds)
    freedom = row.reference_seeds - 1
    ends = row.reference_sd * np.sqrt(freedom / stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], freedom))
    apart = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(2) * np.array([row.reference_sd, *ends])
    text = (
        f"the errors of {row.reference_seeds} plain runs of `{row.encoder}` on {row.dataset} have a standard deviation "
        f"of {row.reference_sd:.2f} ({ends[0]:.2f} to {ends[1]:.2f}) points, so one pair of single runs in "
        f"{1 / (1 - LEVEL):.0f} lies more than {apart[0]:.1f} ({apart[1]:.1f} to {apart[2]:.1f}) points apart by its "
        f"seeds alone ({{cite:t}}`{row.source}`)"
    )
    return Found(Evidence(text, ("9", row.part), {"seeds": f"{LEAST_RUNS}"}, full_size=True))


@dataclass(frozen=True)
class Line:
    """What stands of the clauses on one subject."""

    title: str
    carried: tuple[Carried, ...]


ADVICE: Mapping[str, tuple[Clause, ...]] = {
    "Learning rate": (
        Clause(
            "**Fine-tune a BERT-base at {best}**; measured with AdamW without bias correction, as in the released code",
            "forgetting",
            (
                best_of(4, r"rate (?P<one>\S+) against (?P<other>\S+)"),
                own("forgetting", rules.rates, "runs that fail at"),
            ),
        ),
        Clause("**Search a smaller encoder's rate on validation**, from {low} to {high}", "base_rate", (rate_search,)),
    ),
    "Long texts": (
        Clause(
            "**Take the window of {best} wordpieces**",
            "long_texts",
            (best_of(1, r"window (?P<one>\d+) against window (?P<other>\d+)"),),
        ),
        Clause(
            "**Keep the first {head} and the last {tail} wordpieces**, not the first ones alone; to keep only the last "
            "ones was not shown to be worse",
            "long_texts",
            (
                others(1, "head+tail against head-only", r"\((?P<head>\d+)\+(?P<tail>\d+)\)", r"\(\d+\+\d+\)"),
                own("long_texts", rules.long_texts, "head+tail against head-only"),
            ),
            (("texts", "longer than the window"),),
        ),
        Clause(
            "**Read a text piece by piece if the window cuts most of it away**, and average what the pieces give",
            "long_texts",
            (own("hard_documents", piecewise, "hierarchical mean"), denied(1, "head+tail against hierarchical")),
            (("texts", "many times longer than the window"),),
        ),
    ),
    "The encoder": (
        Clause(
            "**Train the whole encoder**, not just a classifier on frozen features",
            "bag_of_words",
            (own("bag_of_words", gains((FIT, FEATURES))),),
            (("labels", "a few hundred, and no other texts"), ("budget", "minutes on a few CPU cores, or any GPU")),
        ),
        Clause(
            "**Let the classifier read the last layer alone**: joining the last ones saves nothing that counts",
            "layers",
            (others(3, "the last layers joined against the last"), own("layers", rules.joined_layers)),
        ),
    ),
    "Before fine-tuning": (
        Clause(
            "**Pre-train further on the task's own texts**, {passes} passes over them",
            "within_task",
            (
                others(6, "pre-training within the task against none", r"(?P<passes>\d+) epochs?\b", r"epochs?\b"),
                own("within_task", rules.steps, "the usual steps against none"),
            ),
            (("labels", "thousands"), ("budget", "hours on a GPU")),
        ),
    ),
    "Few labels": (
        Clause(
            "**Pre-train further on many unlabelled texts** of the task or its domain; measured with {labels} labels",
            "few_shot",
            (
                others(13, "pre-training against none, with few labels", r"\((?P<labels>\d+) labels\)"),
                own("few_shot", rules.few_examples),
            ),
            (("labels", "a few hundred, and many texts without labels"),),
        ),
    ),
    "Bag of words": (
        Clause(
            "**Train TF-IDF with logistic regression if you have only seconds**: with {labels} labels it makes more "
            "errors than fine-tuning on {more}, and was not shown to on {sets}",
            "bag_of_words",
            (bag_of_words,),
            (("budget", "seconds on a CPU"),),
        ),
    ),
    "Runs": (
        Clause("**Compare methods over {seeds} runs or more**, never by single ones", "method", (spread_of_runs,)),
    ),
}
"""Everything that may stand, by subject, as far as it is carried."""


def standing(pages: Pages, profile: Profile, advice: Mapping[str, Sequence[Clause]] = ADVICE) -> list[Line]:
    """What something carries and nothing speaks against.

    Args:
        pages: the profile's records.
        profile: whether its records decide anything.
        advice: the clauses that are asked for, by subject.
    """
    lines = []
    for title, clauses in advice.items():
        carried = []
        for clause in clauses:
            found = [source(pages, profile) for source in clause.sources]
            evidence = tuple(of.evidence for of in found if of.evidence)
            if evidence and not any(of.against for of in found):
                carried.append(Carried(clause, evidence))
        if carried:
            lines.append(Line(title, tuple(carried)))
    return lines


def what_to_do(lines: Sequence[Line]) -> Notice:
    """The lines, each with its evidence and a link, and the paper's setting for all that nothing contradicts."""
    if not lines:
        return Notice("warning", "What to do", f"No evidence carries any advice yet. {_default(lines)}")
    told = ["- " + "\n\n  ".join(map(_sentence, line.carried)) for line in lines]
    return Notice("tip", "What to do", "\n".join([*told, "", _default(lines)]))


def _sentence(of: Carried) -> str:
    evidence = "; ".join(one.text for one in of.evidence)
    return f"{of.do}. {evidence[0].upper()}{evidence[1:]}. {{doc}}`More <{of.clause.page}>`."


def _default(lines: Sequence[Line]) -> str:
    """The paper's setting for what the lines do not name."""
    training, window, recipe = TrainingSpec(), WindowSpec(), PretrainingRecipe()
    told = " ".join(of.do for line in lines for of in line.carried)
    settings = {
        f"{training.epochs} epochs, of which the best on validation is kept": False,
        f"batches of {training.batch_size} ({recipe.batch_size} for further pre-training)": False,
        f"warm-up over {training.warmup:.0%} of the steps": False,
        f"a learning rate of {rate_text(training.learning_rate)}": rate_text(training.learning_rate) in told,
        f"a window of {window.length} wordpieces": f"{window.length} wordpieces" in told,
    }
    left = "; ".join(text for text, named in settings.items() if not named)
    return f"For the rest take the paper's setting, a default that is not tested here: {left}."


FINE_TUNE = "fine-tune at the paper's setting"
CASES: tuple[tuple[Case, str, str, str], ...] = (
    ("labels", "a few hundred, and no other texts", FINE_TUNE, ""),
    ("labels", "a few hundred, and many texts without labels", FINE_TUNE, ""),
    ("labels", "thousands", FINE_TUNE, ""),
    ("texts", "fit into the window", "give them whole", ""),
    ("texts", "longer than the window", "keep head and tail", ""),
    ("texts", "many times longer than the window", "keep head and tail", ""),
    ("budget", "seconds on a CPU", "train a bag of words", BAG_OF_WORDS),
    ("budget", "minutes on a few CPU cores, or any GPU", FINE_TUNE, FIT),
    ("budget", "hours on a GPU", FINE_TUNE, ""),
)
"""The rows of the table of decisions: the case, the default where no clause answers it, and whose time is told."""


def decisions(lines: Sequence[Line], pages: Pages, name: str) -> Table:
    """What to do by number of labels, length of texts and budget; a default is marked as such.

    Args:
        lines: as `standing` gives them.
        pages: the profile's records; the page on bags of words tells what a method takes.
        name: target of cross-references.
    """
    carried = {case: of for line in lines for of in line.carried for case in of.clause.cases}
    hours = _hours(pages)
    rows = []
    for case, what, default, method in CASES:
        of = carried.get((case, what))
        evidence = " and ".join(_by(of)) if of else "the paper's default, untested"
        took = f"; {duration(hours[method])} a run here" if method in hours else ""
        do = Markup(of.short, f"{{doc}}`{of.short} <{of.clause.page}>`") if of else default
        rows.append([f"{case}: {what}", do, f"{evidence}{took}"])
    return Table(("you have", "do", "evidence"), rows, "What to do in which case", name)


def _hours(pages: Pages) -> dict[str, float]:
    """What a run of a bag of words, and one of the encoder, takes on average over data sets."""
    page = pages.get("bag_of_words")
    if page is None or not page.records:
        return {}
    return prices(page.records, page.encoders).groupby("variant")["hours"].mean().dropna().to_dict()


def _by(of: Carried) -> list[str]:
    sizes = [one.full_size for one in of.evidence]
    return ["others, at full size"] * (True in sizes) + ["this study, at its size"] * (False in sizes)
