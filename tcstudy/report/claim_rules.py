"""What the claims are made of: comparisons by the names of a page's variants, for encoders and data of any kind."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tcstudy.experiments.few_shot import PLAIN, PRETRAINED
from tcstudy.experiments.forgetting import WITHOUT
from tcstudy.report.beside_paper import title
from tcstudy.report.contrasts import Contrast, fall, saves
from tcstudy.spec import PretrainingRecipe


@dataclass(frozen=True)
class Smallest:
    """From which share on an effect counts, and why."""

    share: float
    reason: str


BETTER = Smallest(0.02, "one error in fifty: about what another seed changes on a complete data set")
CLEAR = Smallest(0.05, "one error in twenty: less does not pay for hours of further training")
LITTLE = Smallest(0.01, "one error in a hundred: the claim speaks of a little")
FAILING = Smallest(0.5, "runs fail more often than not")
FORGOTTEN = Smallest(0.05, "the loss on general text rises by a twentieth more")
SMALLEST = (BETTER, CLEAR, LITTLE, FAILING, FORGOTTEN)


@dataclass(frozen=True)
class Part:
    """One comparison of a claim.

    Attributes:
        label: what is compared, in words that do not depend on the encoder.
        contrast: the effect; above zero is a gain.
        smallest: from when on it counts.
        gain: whether the claim is that there is a gain that counts, or that there is none.
        on: the data sets it is about; None is all of the page.
        each: whether each of them makes a part of its own; else their mean is taken.
        quantity: what the contrast is of: test errors, failed runs, or what was forgotten.
        unlike: another variant of which the first must not be the same runs: in-domain text that is the task's own
            is not in-domain; empty where there is none.
    """

    label: str
    contrast: Contrast
    smallest: Smallest = BETTER
    gain: bool = True
    on: tuple[str, ...] | None = None
    each: bool = False
    quantity: Literal["errors", "failures", "forgetting"] = "errors"
    unlike: str = ""


Rule = Callable[[Sequence[str]], Sequence[Part]]
"""The comparisons of a claim, from the names of the variants that a page has."""


def gains(*pairs: tuple[str, ...], on: Sequence[str] = (), each: bool = False) -> Rule:
    """The first of each pair makes fewer errors than the second; a third that it must not be may follow."""
    return _pairs(pairs, BETTER, True, on, each)


def no_gains(*pairs: tuple[str, str], smallest: Smallest, on: Sequence[str] = (), each: bool = False) -> Rule:
    """The first of each pair does not make fewer errors than the second."""
    return _pairs(pairs, smallest, False, on, each)


def _pairs(pairs: Sequence[Sequence[str]], smallest: Smallest, gain: bool, on: Sequence[str], each: bool) -> Rule:
    parts = [
        Part(
            f"{better} against {worse}",
            saves(better, worse),
            smallest,
            gain,
            tuple(on) or None,
            each,
            unlike="".join(unlike),
        )
        for better, worse, *unlike in pairs
    ]
    return lambda variants: parts


def both_ways(one: str, others: Sequence[str], without: str, smallest: Smallest) -> Rule:
    """Pre-training on a data set gains nothing for each of the others, and on each of those nothing for it."""
    ways = [(corpus, task) for other in others for corpus, task in ((other, one), (one, other))]
    parts = [
        Part(f"pre-trained on {title(corpus)}, for {title(task)}", saves(corpus, without), smallest, False, (task,))
        for corpus, task in ways
    ]
    return lambda variants: parts


def depth(variants: Sequence[str]) -> list[Part]:
    """The error falls from the lowest layer to the last, and no other layer makes fewer errors than the last."""
    places = _layers(variants)
    if len(places) < 2:
        return []
    last = max(places, key=places.__getitem__)
    others = [
        Part(f"the layer at {share:.0%} of the depth against the last", saves(name, last), BETTER, gain=False)
        for name, share in places.items()
        if name != last
    ]
    return [Part("fall of the error from the lowest layer to the last", fall(places)), *others]


def joined_layers(variants: Sequence[str]) -> list[Part]:
    """No way to join the last third of the layers makes fewer errors than the last layer."""
    places = _layers(variants)
    joined = [name for name in variants if name.startswith("last third ")]
    if not places or not joined:
        return []
    last = max(places, key=places.__getitem__)
    return [Part(f"{name} against the last layer", saves(name, last), BETTER, gain=False) for name in joined]


def _layers(variants: Sequence[str]) -> dict[str, float]:
    """Variants that read a single layer, with its relative depth: layer 5 of 6 is at 1."""
    found = {name: re.fullmatch(r"layer (\d+) of (\d+)", name) for name in variants}
    return {name: (int(match[1]) + 1) / int(match[2]) for name, match in found.items() if match}


def rates(variants: Sequence[str]) -> list[Part]:
    """At the lowest rate less is forgotten than at the highest, and at the highest runs fail."""
    found = sorted((_number(name), name) for name in variants if not name.endswith(WITHOUT))
    if len(found) < 2:
        return []
    (_, low), (_, high) = found[0], found[-1]
    forgotten = Contrast({high: 1.0, low: -1.0}, low)
    return [
        Part("forgotten at the highest rate, less at the lowest", forgotten, FORGOTTEN, quantity="forgetting"),
        Part("runs that fail at the highest rate", Contrast({high: 1.0}, high), FAILING, quantity="failures"),
    ]


def decay(variants: Sequence[str], mild: float, smallest: Smallest) -> list[Part]:
    """At the lowest rate, the decay `mild` makes fewer errors than no decay."""
    lowest = min((name.rsplit(" decay ", 1)[0] for name in variants), key=_number, default=None)
    if lowest is None:
        return []
    better, plain = (f"{lowest} decay {xi:.2f}" for xi in (mild, 1.0))
    return [Part(f"decay {mild:.2f} against none at the base rate", saves(better, plain), smallest)]


def steps(variants: Sequence[str]) -> list[Part]:
    """The usual steps make fewer errors than none, and more than these gain nothing more.

    The usual steps are the paper's where a page has them, else the last.
    """
    found = {_number(name): name for name in variants}
    papers = PretrainingRecipe().steps
    usual = papers if papers in found else max(found, default=0)
    if 0 not in found or not usual:
        return []
    more = [
        Part(f"{count / usual:g} times the usual steps against these", saves(name, found[usual]), BETTER, gain=False)
        for count, name in sorted(found.items())
        if count > usual
    ]
    return [Part("the usual steps against none", saves(found[usual], found[0])), *more]


def few_examples(variants: Sequence[str]) -> list[Part]:
    """At the smallest share of labels pre-training makes fewer errors, and saves more of them there than with all."""
    shares = sorted({_number(name.split(", ", 1)[1]): name.split(", ", 1)[1] for name in variants}.items())
    if len(shares) < 2:
        return []
    few, everything = shares[0][1], shares[-1][1]
    plain, pretrained = f"{PLAIN}, {few}", f"{PRETRAINED}, {few}"
    more = {plain: 1.0, pretrained: -1.0, f"{PLAIN}, {everything}": -1.0, f"{PRETRAINED}, {everything}": 1.0}
    return [
        Part("gain at the smallest share of labels", saves(pretrained, plain)),
        Part("gain at the smallest share less that with all labels", Contrast(more, plain)),
    ]


def _number(name: str) -> float:
    """The number in the name of a rate, a number of steps or a share.

    >>> _number("lr 2e-5"), _number("100k steps"), _number("0.4% of the training data")
    (2e-05, 100000.0, 0.4)
    """
    [found] = re.findall(r"(\d[\d.]*(?:e[+-]?\d+)?)(k?)", name)
    return float(found[0]) * (1000 if found[1] else 1)
