"""What others measured of the paper's claims: numbers from their papers and repositories, and what follows from them.

**Effect.** As in the claims, the relative error reduction of a variant over its reference: `1 - variant / reference`.
The error is 100 minus the accuracy or F1 score. Numbers of other kinds (correlations, differences) are listed without
an effect.

**Interval.** Both error rates `e` are means over `n` seeds with standard deviation `s`. To first order (delta method),
with independent seeds, the variance of the effect is `(s_v / e_r)**2 / n_v + (e_v * s_r / e_r**2)**2 / n_r`; the 95%
interval uses the t quantile at Welch's degrees of freedom for these two terms. It covers seeds only: printed means do
not show the effect of other test documents.

**Marks.** *solid*: both standard deviations are printed, over three seeds or more each, so there is an interval.
*hollow*: otherwise, e.g. for single runs. None: the number was not read in its own source, has no reference, or is of
another kind.

**Answer.** Only solid comparisons decide, each by the rule and the smallest effects of the verdicts: for the claim,
against it, or neither. All comparisons of one source with one encoder on one data set are one vote, since they share
runs: it is for the claim if one comparison is for it and none against, against it in the opposite case, and split if
there are both. A part of a claim *holds* if there are votes for it and none against, *does not hold* in the opposite
case, is *mixed* if there are both or if all measured comparisons are on neither side, and is *unmeasured* without a
solid comparison. A claim does not hold if a part of it does not, holds if all measured parts do, is mixed if neither is
the case, and is unmeasured if no part was measured. `Answer.measured` is the number of measured parts.

None of this enters an interval of this study.
"""

import csv
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator
from scipy import stats

from tcstudy.errors import StudyError, nearest
from tcstudy.report.claim_rules import BETTER, CLEAR, LITTLE, MORE_FAIL, Smallest
from tcstudy.report.intervals import LEVEL
from tcstudy.value import Count, Number, Value

Word = Literal["holds", "does not hold", "mixed", "unmeasured"]
HOLDS, FAILS, MIXED, UNMEASURED = get_args(Word)
FEWEST_SEEDS = 3
"""The fewest seeds whose standard deviation makes an interval."""
LEAST_SPREAD = 0.005
"""The value used for a standard deviation printed as 0.00: the largest that rounds to it."""

ERROR_RATES = ("error",)
SCORES = ("accuracy", "F1", "macro-F1", "micro-F1", "accuracy or F1")
OTHER_METRICS = ("MCC", "correlation", "Spearman", "points")


@dataclass(frozen=True)
class MeasuredPart:
    """A part of a claim as others can measure it: whether it claims a gain, and the smallest effect that counts."""

    label: str
    smallest: Smallest = BETTER
    gain: bool = True


PARTS = {
    1: (
        MeasuredPart("head+tail against head-only"),
        MeasuredPart("head+tail against tail-only"),
        MeasuredPart("head+tail against hierarchical"),
    ),
    2: (MeasuredPart("another layer against the last", gain=False), MeasuredPart("the fall of the error with depth")),
    3: (MeasuredPart("the last layers joined against the last", gain=False),),
    4: (
        MeasuredPart("what is forgotten at a low rate and at a high one"),
        MeasuredPart("a low rate against a high one at which runs fail", MORE_FAIL),
    ),
    5: (MeasuredPart("decay .95 against none at the base rate", LITTLE),),
    6: (
        MeasuredPart("pre-training within the task against none"),
        MeasuredPart("more than the usual steps against these", gain=False),
    ),
    7: (MeasuredPart("in-domain against within the task"),),
    8: (MeasuredPart("text of all domains against none", CLEAR, gain=False),),
    9: (MeasuredPart("on TREC, none against within the task"), MeasuredPart("on TREC, in-domain against none")),
    10: (MeasuredPart("pre-training on IMDb for Yelp and on Yelp for IMDb", CLEAR, gain=False),),
    11: (
        MeasuredPart("fine-tuning against features"),
        MeasuredPart("each pre-training against none"),
        MeasuredPart("in-domain against the others, on average"),
    ),
    12: (
        MeasuredPart("multi-task against plain fine-tuning"),
        MeasuredPart("further pre-training against multi-task"),
        MeasuredPart("multi-task on top of cross-domain pre-training", gain=False),
    ),
    13: (
        MeasuredPart("pre-training against none, with few labels"),
        MeasuredPart("the gain with few labels against that with all"),
    ),
    14: (MeasuredPart("the larger encoder, pre-trained against not"),),
}
"""The parts of each claim that others could have measured, by the claim's number."""


class Reproduction(Value):
    """A number that others published and its reference: a row of `reproductions.csv`.

    Attributes:
        line: of the file.
        claim: its number.
        part: of the claim; empty for a related number that does not test the claim itself.
        source: key in the bibliography.
        encoder: as the source calls it.
        dataset: as the source calls it, with the number of labels where these are few.
        comparison: what is compared; for a part of a claim, its variant comes first.
        score: the variant's, in percent.
        reference: the reference's score; None if the source does not say.
        metric: of both.
        sd: standard deviation of the score over seeds.
        reference_sd: likewise.
        seeds: the number of seeds that the score is a mean of; None if the source does not say.
        reference_seeds: likewise.
        window: the number of wordpieces that the encoder read.
        selected_on: the split on which the epoch or the setting was chosen.
        where: place within the source.
        origin: repository or paper.
        version: commit, or the part that was read.
        second_hand: whether it was read in a source that quotes it.
        note: what a reader must know to judge it.
    """

    line: Count
    claim: Annotated[int, Field(strict=False, ge=min(PARTS), le=max(PARTS))]
    part: str = ""
    source: Annotated[str, Field(min_length=1)]
    encoder: Annotated[str, Field(min_length=1)]
    dataset: Annotated[str, Field(min_length=1)]
    comparison: Annotated[str, Field(min_length=1)]
    score: Number
    reference: Number | None = None
    metric: Literal[(*ERROR_RATES, *SCORES, *OTHER_METRICS)]
    sd: Annotated[Number, Field(ge=0, lt=100)] | None = None
    reference_sd: Annotated[Number, Field(ge=0, lt=100)] | None = None
    seeds: Annotated[int, Field(strict=False, ge=1)] | None = None
    reference_seeds: Annotated[int, Field(strict=False, ge=1)] | None = None
    window: str = ""
    selected_on: str = ""
    where: Annotated[str, Field(min_length=1)]
    origin: Annotated[str, Field(min_length=1)]
    version: str = ""
    second_hand: Literal["yes"] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Reproduction":
        labels = [part.label for part in PARTS[self.claim]]
        if self.part and self.part not in labels:
            raise StudyError(f"`part` {self.part!r} is not a part of claim {self.claim}; {nearest(self.part, labels)}")
        lowest = -100 if self.metric == "points" else 0
        for name in ("score", "reference"):
            number = getattr(self, name)
            if number is not None and not lowest <= number <= 100:
                raise StudyError(f"`{name}` is {number:g}, but {self.metric} must be from {lowest} to 100")
        return self

    def error(self, value: float) -> float:
        """An error rate as a share, from a number in the row's metric."""
        return value / 100 if self.metric in ERROR_RATES else 1 - value / 100

    @property
    def mark(self) -> Literal["solid", "hollow"] | None:
        """How reliable the number is."""
        if self.second_hand or self.reference is None or self.metric in OTHER_METRICS:
            return None
        known = None not in (self.sd, self.reference_sd, self.seeds, self.reference_seeds)
        return "solid" if known and min(self.seeds, self.reference_seeds) >= FEWEST_SEEDS else "hollow"


@dataclass(frozen=True)
class Measured:
    """The effect of a row as a share, with its 95% interval where it has one."""

    row: Reproduction
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def part(self) -> MeasuredPart | None:
        """The part of the claim that it is about."""
        return next((part for part in PARTS[self.row.claim] if part.label == self.row.part), None)

    @property
    def side(self) -> Literal["for", "against"] | None:
        """On which side of its part the effect lies, by its interval if it is solid, else by the effect alone."""
        part = self.part
        if part is None:
            return None
        low, high = (self.mean, self.mean) if self.low is None else (self.low, self.high)
        agrees = part.smallest.agrees(low, self.mean, high, part.gain)
        return None if agrees is None else "for" if agrees else "against"


@dataclass(frozen=True)
class Answer:
    """What others' numbers say of a claim.

    Attributes:
        claim: its number.
        word: the answer.
        parts: the answer to each part.
        votes: how many votes are for the claim, against it, and on neither side.
        single: the same for hollow comparisons, which decide nothing.
        shown: all comparisons with an effect that are about the claim, each once.
    """

    claim: int
    word: Word
    parts: dict[str, Word]
    votes: dict[str | None, int]
    single: dict[str | None, int]
    shown: tuple[Measured, ...]

    @property
    def measured(self) -> int:
        """How many parts have an answer."""
        return sum(word != UNMEASURED for word in self.parts.values())

    @property
    def sources(self) -> tuple[str, ...]:
        """The keys of the sources that the answer rests on; where it rests on none, of all hollow comparisons."""
        solid = [of for of in self.shown if of.row.mark == "solid"]
        return tuple(dict.fromkeys(of.row.source for of in solid or self.shown))


@cache
def reproductions() -> tuple[Reproduction, ...]:
    """All numbers of others that come with the package.

    Raises:
        StudyError: as `read`.
    """
    return tuple(read(files(__package__).joinpath("reproductions.csv")))


def read(file: Path, sources: Collection[str] | None = None) -> list[Reproduction]:
    """The rows of a file.

    Args:
        file: a table in UTF-8 whose first line names the columns.
        sources: the keys of the bibliography that a row may name; None checks no key.

    Raises:
        StudyError: a column is missing or unknown, or a row is wrong; says where and what.
    """
    columns = [name for name in Reproduction.model_fields if name != "line"]
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if list(reader.fieldnames or ()) != columns:
            raise StudyError(f"{file.name} line 1: the columns must be {', '.join(columns)}.")
        rows = []
        for given in reader:
            place = f"{file.name} line {reader.line_num}"
            if None in given or None in given.values():
                raise StudyError(f"{place}: a row must have {len(columns)} cells.")
            row = Reproduction.parse({"line": reader.line_num} | {k: v for k, v in given.items() if v}, place)
            if sources is not None and row.source not in sources:
                raise StudyError(f"{place}: `source` {row.source!r} is not in the bibliography.")
            rows.append(row)
    return rows


def measured(row: Reproduction) -> Measured | None:
    """The effect of a row, with an interval if it is solid; None if it has no effect."""
    if row.mark is None:
        return None
    ours, theirs = row.error(row.score), row.error(row.reference)
    mean = 1 - ours / theirs
    if row.mark == "hollow":
        return Measured(row, mean)
    spreads = [max(of, LEAST_SPREAD) / 100 for of in (row.sd, row.reference_sd)]
    seeds = (row.seeds, row.reference_seeds)
    slopes = (1 / theirs, ours / theirs**2)
    terms = [(slope * of) ** 2 / n for slope, of, n in zip(slopes, spreads, seeds, strict=True)]
    freedom = sum(terms) ** 2 / sum(term**2 / (n - 1) for term, n in zip(terms, seeds, strict=True))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(sum(terms))
    return Measured(row, mean, mean - half, mean + half)


def once(rows: Iterable[Reproduction]) -> list[Reproduction]:
    """The rows without those of the best epoch on the test set, where the last epoch of the same runs is available."""
    rows = list(rows)
    last = {_comparison(row) for row in rows if row.selected_on == "none (last epoch)"}
    return [row for row in rows if row.selected_on != "test" or _comparison(row) not in last]


def _comparison(row: Reproduction) -> tuple[object, ...]:
    return row.claim, row.source, row.encoder, row.dataset, row.comparison, row.metric


def answer(claim: int, rows: Sequence[Reproduction] | None = None) -> Answer:
    """What others' numbers say of a claim.

    Args:
        claim: its number.
        rows: the numbers; those of the package by default.
    """
    rows = reproductions() if rows is None else rows
    about = once(row for row in rows if row.claim == claim and row.part)
    shown = tuple(of for of in map(measured, about) if of)
    solid, single = ([of for of in shown if of.row.mark == mark] for mark in ("solid", "hollow"))
    parts = {part.label: _word(votes(of for of in solid if of.part == part)) for part in PARTS[claim]}
    return Answer(claim, _whole(parts.values()), parts, _counted(solid), _counted(single), shown)


def votes(shown: Iterable[Measured], key: Callable[[Reproduction], object] | None = None) -> list[str | None]:
    """The vote of each source with each encoder on each data set: "for", "against", "split", or None for neither."""
    groups: dict[object, set[str | None]] = {}
    for of in shown:
        group = (of.row.source, of.row.encoder, of.row.dataset, key(of.row) if key else None)
        groups.setdefault(group, set()).add(of.side)
    return [
        "split" if {"for", "against"} <= sides else next((side for side in ("for", "against") if side in sides), None)
        for sides in groups.values()
    ]


def _counted(shown: Iterable[Measured]) -> dict[str | None, int]:
    found = votes(shown, key=lambda row: row.part)
    return {vote: found.count(vote) for vote in ("for", "against", "split", None)}


def _word(found: Collection[str | None]) -> Word:
    if not found:
        return UNMEASURED
    if "for" in found and not {"against", "split"} & set(found):
        return HOLDS
    return FAILS if "against" in found and not {"for", "split"} & set(found) else MIXED


def _whole(parts: Collection[Word]) -> Word:
    known = {word for word in parts if word != UNMEASURED}
    if not known:
        return UNMEASURED
    return FAILS if FAILS in known else HOLDS if known == {HOLDS} else MIXED
