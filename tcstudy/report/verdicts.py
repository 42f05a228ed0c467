"""Verdicts on claims: effects in records, and the decisions that follow from their intervals."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from tcstudy.catalog.datasets import dataset_facts, dataset_title
from tcstudy.catalog.profiles import Profile
from tcstudy.report.claim_rules import Part
from tcstudy.report.claims import Claim, printed_effects
from tcstudy.report.intervals import LEAST_RUNS, LEVEL
from tcstudy.report.measured import (
    Effect,
    PageRecords,
    Unmeasured,
    Untested,
    arms_of,
    cannot_be_had,
    cells_of,
    datasets_of,
    effect_of,
    not_taken,
)
from tcstudy.report.tables import from_to
from tcstudy.spec import MultitaskSpec, PretrainingSpec, RunSpec

Decision = Literal["holds", "does not hold", "not decided here", "not tested here"]
HOLDS, FAILS, OPEN, UNTESTED = "holds", "does not hold", "not decided here", "not tested here"
DECISIONS: tuple[Decision, ...] = (HOLDS, FAILS, OPEN, UNTESTED)


@dataclass(frozen=True)
class Finding:
    """The decision on a part of a claim and its reason, with our effect and the paper's as shares (None if missing).

    Attributes:
        runs: ids of the runs behind the effect.
        scale: their size: encoder, window, labels, steps of further pre-training, runs.
        left_out: titles of the data sets on which a further pre-training did not take, where it took on others.
    """

    part: Part
    effect: Effect | None
    paper: float | None
    decision: Decision
    reason: str
    runs: tuple[str, ...] = ()
    scale: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """How far the interval lies on the claim's side; below zero where it does not lie wholly on it."""
        if self.effect is None:
            return float("-inf")
        return self.effect.low if self.part.gain else self.part.smallest.share - self.effect.high


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim; `obstacle` is the reason where there are no findings."""

    claim: Claim
    findings: tuple[Finding, ...]
    decision: Decision
    obstacle: str = ""

    @property
    def reason(self) -> str:
        """The reason for the verdict, and how many comparisons were decided where the claim as a whole was not."""
        if not self.deciding:
            return self.obstacle
        counts = [
            f"{number} {word if number == 1 else _PLURAL[word]}"
            for word, number in Counter(one.decision for one in self.decided).items()
        ]
        shown = f" (of its {len(self.own)} comparisons, {' and '.join(counts)})" if counts else ""
        return self.deciding.reason + (shown if self.decision not in _DECIDED else "")

    @property
    def own(self) -> list[Finding]:
        """The findings that decide the claim, without those beside it."""
        return [finding for finding in self.findings if not finding.part.aside]

    @property
    def decided(self) -> list[Finding]:
        """Those of its own findings that say that it holds or does not."""
        return [finding for finding in self.own if finding.decision in _DECIDED]

    @property
    def deciding(self) -> Finding | None:
        """The decisive finding: of those with the verdict's decision, the one furthest from the claim's side.

        Among several that are not decided, one with an effect comes first.
        """
        own = self.own or list(self.findings)
        alike = [finding for finding in own if finding.decision == self.decision] or own
        measured = [finding for finding in alike if finding.effect] or alike
        return min(measured, key=lambda finding: finding.margin, default=None)


_DECIDED = (HOLDS, FAILS)
_PLURAL = {HOLDS: "hold", FAILS: "do not hold"}


def verdict(claim: Claim, page: PageRecords | None, profile: Profile) -> Verdict:
    """The verdict of a page's records on a claim.

    Args:
        claim: the claim.
        page: runs and records of its page; None where the profile has no such page.
        profile: says whether its records can decide a claim at all.
    """
    if page is None:
        return Verdict(claim, (), UNTESTED, "this profile has no parameters for the page")
    parts = [one for part in claim.parts(page.table) for one in _for_each_set(part, page)]
    if not parts:
        return Verdict(claim, (), UNTESTED, "the page does not have the variants that are compared")
    papers = printed_effects(claim.parts, claim.paper()) if claim.paper else {}
    findings = [find(part, page, papers[part.label][1] if part.label in papers else None) for part in parts]
    if not profile.decides:
        reason = f"the profile {profile.name} decides nothing"
        return Verdict(claim, tuple(replace(found, decision=OPEN, reason=reason) for found in findings), OPEN)
    return Verdict(claim, tuple(findings), whole([found.decision for found in findings if not found.part.aside]))


def whole(parts: Collection[Decision]) -> Decision:
    """The decision on a claim, from those on its parts.

    It does not hold if one part does not; otherwise it is not tested if one is not or there is none, not decided if one
    is not, and holds if all do.
    """
    for decision in (FAILS, UNTESTED, OPEN):
        if decision in parts:
            return decision
    return HOLDS if parts else UNTESTED


def _for_each_set(part: Part, page: PageRecords) -> list[Part]:
    """A part for each data set where it asks for that, without those that are not available on this machine."""
    if not part.each:
        return [part]
    names = [name for name in datasets_of(part, page) if not cannot_be_had(name, page)]
    parts = [replace(part, label=f"{part.label}, {dataset_title(name)}", on=(name,), each=False) for name in names]
    return parts or [replace(part, each=False)]


def find(part: Part, page: PageRecords, paper: float | None = None) -> Finding:
    """The finding of a page's records on a comparison, whose effect in the paper is `paper`.

    Data sets on which a further pre-training did not take are left out. If it took on none, the comparison is not
    tested, but its effect is still shown.
    """
    try:
        cells = cells_of(part, page)
        reasons = {dataset: reason for dataset in cells if (reason := not_taken(part, page, dataset))}
        taken = {dataset: of for dataset, of in cells.items() if dataset not in reasons}
        effect = effect_of(part, taken or cells)
    except Untested as reason:
        return Finding(part, None, paper, UNTESTED, part.untested or str(reason))
    except Unmeasured as reason:
        return Finding(part, None, paper, *((UNTESTED, part.untested) if part.untested else (OPEN, str(reason))))
    if part.untested or not taken:
        decision, reason = UNTESTED, part.untested or _told(reasons)
    else:
        decision, reason = decide(part, effect)
        reason += f". Left out: {_told(reasons)}" if reasons else ""
    rows = pd.concat([rows for name in effect.datasets for rows in arms_of(part, page, name).values()])
    runs = dict.fromkeys(record.id for record in rows["record"])
    left_out = tuple(map(dataset_title, reasons)) if taken else ()
    return Finding(part, effect, paper, decision, reason, tuple(runs), _scale(rows, effect), left_out)


def _told(reasons: Mapping[str, str]) -> str:
    """Reasons by data set, grouping data sets with the same reason."""
    together: dict[str, list[str]] = {}
    for dataset, reason in reasons.items():
        together.setdefault(reason, []).append(dataset_title(dataset))
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in together.items())


def decide(part: Part, effect: Effect) -> tuple[Decision, str]:
    """The decision on one comparison by `Smallest.agrees`, and its reason."""
    if effect.runs < LEAST_RUNS:
        return OPEN, f"{effect.runs} run{'s' * (effect.runs > 1)} of each; fewer than {LEAST_RUNS} decide nothing"
    agrees = part.smallest.agrees(effect.low, effect.mean, effect.high, part.gain)
    if agrees is None:
        return OPEN, "the interval is too wide" + _failing_runs_needed(part, effect)
    if agrees == part.gain:
        reason = "the effect counts"
    elif agrees:
        reason = "there is no gain that counts"
    else:
        reason = "the effect goes the other way" if effect.high < 0 else "the effect is too small to count"
    return (HOLDS if agrees else FAILS), reason


def _failing_runs_needed(part: Part, effect: Effect) -> str:
    """How many runs would have to fail, where all did and these are too few for the exact interval of a share."""
    if part.quantity != "failures" or effect.mean < 1 or not part.smallest.above:
        return ""
    needed = math.floor(math.log((1 - LEVEL) / 2) / math.log(part.smallest.above)) + 1
    return f": all {effect.runs} runs fail, and it takes {needed}"


def _scale(rows: pd.DataFrame, effect: Effect) -> str:
    """The size of the runs of a comparison, from their columns."""
    encoded = rows[[isinstance(run, RunSpec) for run in rows["run"]]]
    names = dict.fromkeys(
        name
        + (f", {layers:.0f} layers" if pd.notna(layers) else "")
        + (" after general pre-training" if any(_is_general(stage) for stage in run.encoder.stages) else "")
        for name, layers, run in encoded[["encoder.name", "encoder.layers", "run"]].itertuples(index=False)
    )
    labelled = [record.data.used_train for record in rows["record"]]
    told = [
        " and ".join(names),
        f"window {from_to(encoded['window.length'])}",
        f"{from_to(labelled)} labels",
    ]
    if steps := [count for count in encoded["pretraining.steps"] if count]:
        told.append(f"{from_to(steps)} steps")
    return "; ".join([*told, f"{effect.runs} runs"])


def _is_general(stage: PretrainingSpec | MultitaskSpec) -> bool:
    """Whether a stage reads general text alone."""
    return isinstance(stage, PretrainingSpec) and all(
        dataset_facts(text.name).kind == "general" for text in stage.corpus
    )
