"""What became of the paper's claims: effects in records, and the decisions that follow from their intervals."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tcstudy.catalog.profiles import Profile
from tcstudy.report.beside_paper import title
from tcstudy.report.claim_rules import Part
from tcstudy.report.claim_sources import printed_effects
from tcstudy.report.claims import Claim
from tcstudy.report.contrasts import Effect, Unmeasured
from tcstudy.report.intervals import holm
from tcstudy.report.measured import PageRecords, cannot_be_had, datasets_of, effect_of

Decision = Literal["holds", "does not hold", "not decided here"]
HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided here"
ALPHA = 0.05


@dataclass(frozen=True)
class Finding:
    """What became of a part of a claim: our effect and the paper's as shares, None where there is none, and why.

    `runs` are the ids of the runs that the effect is read from.
    """

    part: Part
    effect: Effect | None
    paper: float | None
    decision: Decision
    reason: str
    runs: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """By how much the interval is on the claim's side; below zero where it is not wholly."""
        if self.effect is None:
            return float("-inf")
        return self.effect.low if self.part.gain else self.part.smallest.share - self.effect.high


@dataclass(frozen=True)
class Verdict:
    """What became of a claim; `obstacle` says why where there are no findings."""

    claim: Claim
    findings: tuple[Finding, ...]
    decision: Decision
    obstacle: str = ""

    @property
    def reason(self) -> str:
        """Why it ends like this."""
        return self.deciding.reason if self.deciding else self.obstacle

    @property
    def deciding(self) -> Finding | None:
        """The finding that the verdict hangs on: of those that end like it, the one furthest from the claim's side.

        Of several that are not decided, one with an effect comes first.
        """
        alike = [finding for finding in self.findings if finding.decision == self.decision] or list(self.findings)
        measured = [finding for finding in alike if finding.effect] or alike
        return min(measured, key=lambda finding: finding.margin, default=None)


def verdict(claim: Claim, page: PageRecords | None, profile: Profile) -> Verdict:
    """What the records of a page say of a claim.

    Args:
        claim: which.
        page: runs and records of its page; None where the profile has no such page.
        profile: decides whether anything is decided at all.
    """
    if page is None:
        return Verdict(claim, (), OPEN, "this profile has no parameters for the page")
    variants = list(dict.fromkeys(key.variant for key in page.runs))
    parts = [one for part in claim.parts(variants) for one in _for_each_set(part, page)]
    if not parts:
        return Verdict(claim, (), OPEN, "the page does not have the variants that are compared")
    papers = printed_effects(claim.parts, claim.paper()) if claim.paper else {}
    findings = corrected([find(part, page, papers[part.label][1] if part.label in papers else None) for part in parts])
    if not profile.decides:
        reason = f"the profile {profile.name} decides nothing"
        return Verdict(claim, tuple(replace(f, decision=OPEN, reason=reason) for f in findings), OPEN)
    return Verdict(claim, tuple(findings), whole({finding.decision for finding in findings}))


def whole(parts: Collection[Decision]) -> Decision:
    """What the decisions on the parts make of a claim: it does not hold if one does not, and holds if all do."""
    return FAILS if FAILS in parts else OPEN if OPEN in parts else HOLDS


def _for_each_set(part: Part, page: PageRecords) -> list[Part]:
    """A part for each data set where it asks for that, those left out that nobody here can have."""
    if not part.each:
        return [part]
    names = [name for name in datasets_of(part, page) if not cannot_be_had(name, page)]
    parts = [replace(part, label=f"{part.label}, {title(name)}", on=(name,), each=False) for name in names]
    return parts or [replace(part, each=False)]


def find(part: Part, page: PageRecords, paper: float | None = None) -> Finding:
    """What the records of a page say of a comparison, whose effect in the paper is `paper`."""
    try:
        effect = effect_of(part, page)
    except Unmeasured as reason:
        return Finding(part, None, paper, OPEN, str(reason))
    runs = (
        record.id
        for key, record in page.records.items()
        if key.dataset in effect.datasets and key.variant in part.contrast.weights
    )
    return Finding(part, effect, paper, *decide(part, effect), tuple(runs))


def decide(part: Part, effect: Effect) -> tuple[Decision, str]:
    """The decision on one comparison, and its reason.

    There is a gain that counts if the interval lies above zero and the effect is not below the smallest that counts;
    there is none if the interval lies below that.
    """
    if effect.runs < 2:
        return OPEN, "a single seed decides nothing"
    counts = effect.low > 0 and effect.mean >= part.smallest.share
    none = effect.high < part.smallest.share
    if not counts and not none:
        return OPEN, "the interval is too wide"
    if counts:
        reason = "the effect counts"
    else:
        reason = f"the effect is {'the other way round' if part.gain and effect.high < 0 else 'too small to count'}"
    return (HOLDS if counts == part.gain else FAILS), reason


def corrected(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, of which one against its claim counts only if Holm's correction for all of the claim leaves it."""
    holms = iter(holm([finding.effect.p for finding in findings if finding.effect]))
    result = []
    for finding in findings:
        chance = finding.effect is not None and next(holms) >= ALPHA
        if finding.decision == FAILS and chance:
            reason = "among so many comparisons of one claim this may be chance"
            finding = replace(finding, decision=OPEN, reason=reason)
        result.append(finding)
    return result
