"""What to do: each claim has its advice if it holds and if it does not; the verdicts say which is given."""

from collections.abc import Sequence
from dataclasses import dataclass

from tcstudy.report.tables import Notice
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN, Verdict


@dataclass(frozen=True)
class Step:
    """What follows from a claim: what to do if it holds, what if it does not, and what is at stake."""

    claim: int
    holds: str
    fails: str
    about: str


STEPS = (
    Step(6, "Pre-train further on the task's own text.", "Do not count on further pre-training on the task's own text.",
         "further pre-training on the task's own text"),
    Step(7, "If there is more text of the same domain, pre-train on that.",
         "Text of the domain is not worth more than the task's own.", "whether text of the domain is better"),
    Step(8, "Leave text of other domains out of further pre-training.", "Text of all domains is worth a try.",
         "whether text of all domains helps"),
    Step(9, "With a small set of single sentences, take text of its domain or none.",
         "A small set of single sentences is no exception.", "what to pre-train on for single sentences"),
    Step(10, "Text of the same kind from elsewhere need not help.", "Text of the same kind from elsewhere helps.",
         "whether sets of one kind help each other"),
    Step(13, "Pre-train all the more the fewer documents are labelled.",
         "Few labelled documents are no special reason to pre-train.", "pre-training with few labelled documents"),
    Step(14, "Pre-train a larger encoder further, too.", "Do not count on further pre-training of a larger encoder.",
         "pre-training of a larger encoder"),
    Step(12, "With several tasks, fine-tune on all at once first, but rather pre-train.",
         "Do not count on fine-tuning several tasks at once.", "fine-tuning several tasks at once"),
    Step(11, "Fine-tune the whole encoder; features alone are not enough.",
         "The paper's order of methods is not the order here: look at the comparison.", "the order of all methods"),
    Step(1, "Of a long text keep the head and the tail.", "Keeping head and tail of a long text is not the best way.",
         "which part of a long text to keep"),
    Step(2, "Let the classifier read the last layer.", "Do not take the last layer for granted.",
         "which layer the classifier should read"),
    Step(3, "Join no layers.", "Joining the last layers is worth a try.", "joining layers"),
    Step(4, "Keep the learning rate low.", "A high learning rate is not what ruins fine-tuning.",
         "what a high learning rate does"),
    Step(5, "Let the rate fall mildly from layer to layer.", "One learning rate for all layers will do.",
         "a rate that falls from layer to layer"),
)  # fmt: skip
"""In the order in which they would be taken."""


def recipe(verdicts: Sequence[Verdict]) -> Notice:
    """What the decided claims say one should do, and what stays open.

    Args:
        verdicts: one for each claim.
    """
    decided = {verdict.claim.number: verdict.decision for verdict in verdicts}
    paragraphs = []
    for heading, decision in (("As the paper says:", HOLDS), ("Otherwise than the paper says:", FAILS)):
        steps = [_linked(step, decision, verdicts) for step in STEPS if decided[step.claim] == decision]
        if steps:
            paragraphs.append("\n".join([heading, "", *(f"- {step}" for step in steps)]))
    open_ones = [step.about for step in STEPS if decided[step.claim] == OPEN]
    if open_ones:
        paragraphs.append(f"Not decided here: {'; '.join(open_ones)}.")
    return Notice("tip", "The recipe", "\n\n".join(paragraphs))


def _linked(step: Step, decision: str, verdicts: Sequence[Verdict]) -> str:
    [page] = {verdict.claim.page for verdict in verdicts if verdict.claim.number == step.claim}
    return f"{step.holds if decision == HOLDS else step.fails} ({{doc}}`{page}`)"
