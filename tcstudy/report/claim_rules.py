"""The rules behind the claims: comparisons between runs chosen by columns, for any encoder and data set.

A comparison is a weighted sum of variants' error rates, in records as in the paper's tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Literal

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.errors import StudyError
from tcstudy.report.frame import ALL, KIND, NONE, OWN, PLAIN, Selection, chosen, levels
from tcstudy.report.published import published
from tcstudy.report.stats import share_cut
from tcstudy.report.tables import percent
from tcstudy.spec import PretrainingRecipe
from tcstudy.study.sets import lengths_of


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of the rates of some variants, told as a share of the rate of `reference`.

    >>> Contrast({"plain": 1, "better": -1}, "plain").of({"plain": 0.5, "better": 0.25})
    0.5
    """

    weights: Mapping[str, float]
    reference: str

    def of(self, rates: Mapping[str, float]) -> float:
        """Its value for the rates of all variants that it weighs."""
        return sum(weight * rates[name] for name, weight in self.weights.items()) / rates[self.reference]


def saves(better: str, worse: str) -> Contrast:
    """The share of the errors of `worse` that `better` does not make."""
    return Contrast({worse: 1.0, better: -1.0}, worse)


def fall(places: Mapping[str, float]) -> Contrast:
    """By how much the error falls from the first place to the last along the line of best fit; one place each variant.

    >>> fall({"a": 0, "b": 1, "c": 2}).weights
    {'a': 1.0, 'b': -0.0, 'c': -1.0}
    """
    where = np.array(list(places.values()), dtype=float)
    centred = where - where.mean()
    weights = -centred * np.ptp(where) / np.sum(centred**2)
    return Contrast(dict(zip(places, weights.tolist(), strict=True)), min(places, key=places.__getitem__))


@dataclass(frozen=True)
class Smallest:
    """The smallest effect that counts, as a share, and why."""

    share: float
    reason: str
    above: float = 0.0

    def agrees(self, low: float, mean: float, high: float, gain: bool) -> bool | None:
        """Whether an effect with its interval supports a claim of a gain, or of none; None if it decides neither.

        There is a gain that counts if the interval lies above `above` and the effect is at least the smallest that
        counts; there is none if the whole interval lies below the smallest that counts.
        """
        counts = low > self.above and mean >= self.share
        return counts == gain if counts or high < self.share else None


BETTER = Smallest(0.02, "one error in fifty: less hardly matters for a choice")
CLEAR = Smallest(0.05, "one error in twenty: less does not pay for hours of further training")
LITTLE = Smallest(0.01, "one error in a hundred: the claim is about a small gain")
FAILING = Smallest(0.5, "runs fail more often than not", above=0.5)
MORE_FAIL = Smallest(0.5, "the share of failed runs is higher by half of all runs")
FORGOTTEN = Smallest(0.05, "the loss on general text rises by one twentieth more")
SMALLEST = (BETTER, CLEAR, LITTLE, FAILING, MORE_FAIL, FORGOTTEN)

HIGH_RATE = 20
"""The paper's high learning rate, 4e-4, as a multiple of its base rate, 2e-5."""
FEW_LABELS = 100
"""Labelled documents of IMDb in the paper's smallest subset, 0.4% of 25,000."""
NEAR = 0.25
"""Relative tolerance within which a learning rate or a number of labels still tests the paper's claim."""
CUT_MORE = 2.0
"""For claim 1, the share of documents that the window cuts may differ from the paper's by up to this factor."""


@dataclass(frozen=True)
class Part:
    """One comparison of a claim.

    Attributes:
        label: the comparison, in words that do not depend on the encoder.
        arms: the runs of each compared variant, by its name.
        contrast: the effect, from the arms; above zero is a gain.
        smallest: the smallest effect that counts.
        gain: whether the claim is that there is a gain that counts, or that there is none.
        on: the data sets it is about; None means all of the page.
        each: whether each data set is a separate part; otherwise their mean is taken.
        quantity: of the contrast: test errors, failed runs, or forgetting.
        aside: whether it is a separate finding that does not decide the claim.
        untested: why the page does not test the claim; empty where it does.
    """

    label: str
    arms: Mapping[str, Selection]
    contrast: Contrast
    smallest: Smallest = BETTER
    gain: bool = True
    on: tuple[str, ...] | None = None
    each: bool = False
    quantity: Literal["errors", "failures", "forgetting"] = "errors"
    aside: bool = False
    untested: str = ""


Rule = Callable[[pd.DataFrame], Sequence[Part]]
"""The comparisons of a claim, from a table of runs (`frame.every_column`) of a page or of the paper."""

FEATURES, FIT, ITPT, IDPT, CDPT = "BERT-Feat", "BERT-FiT", "BERT-ITPT-FiT", "BERT-IDPT-FiT", "BERT-CDPT-FiT"
MULTITASK, CDPT_MULTITASK = "BERT-MFiT-FiT", "BERT-CDPT-MFiT-FiT"
ARMS: Mapping[str, Selection] = {
    FEATURES: {"features.reader": "bilstm"},
    FIT: PLAIN,
    ITPT: {**PLAIN, "pretraining.relation": OWN},
    IDPT: {**PLAIN, "pretraining.relation": KIND},
    CDPT: {**PLAIN, "pretraining.relation": ALL},
    MULTITASK: {**PLAIN, "multitask": True},
    CDPT_MULTITASK: {**PLAIN, "pretraining.relation": ALL, "multitask": True},
}
"""The paper's methods, by their names there."""


def gains(*pairs: tuple[str, str], on: Sequence[str] = (), each: bool = False) -> Rule:
    """The first of each pair of the paper's methods makes fewer errors than the second."""
    return lambda runs: [_pair(*names, ARMS, on=on, each=each) for names in pairs]


def no_gains(*pairs: tuple[str, str], smallest: Smallest, on: Sequence[str] = (), each: bool = False) -> Rule:
    """The first of each pair of the paper's methods does not make fewer errors than the second."""
    return lambda runs: [_pair(*names, ARMS, smallest, gain=False, on=on, each=each) for names in pairs]


def _pair(
    better: str,
    worse: str,
    arms: Mapping[str, Selection],
    smallest: Smallest = BETTER,
    *,
    label: str = "",
    gain: bool = True,
    on: Sequence[str] = (),
    each: bool = False,
    aside: bool = False,
    untested: str = "",
) -> Part:
    """Whether the first of two variants makes fewer errors than the second."""
    return Part(
        label or f"{better} against {worse}",
        {name: arms[name] for name in (worse, better)},
        saves(better, worse),
        smallest,
        gain,
        tuple(on) or None,
        each,
        aside=aside,
        untested=untested,
    )


def long_texts(runs: pd.DataFrame) -> list[Part]:
    """Head+tail makes fewer errors than every other method, at the longest of the windows that most methods share.

    Hierarchical methods also read what the window cuts away, so they are compared only where it cuts about as many
    documents as the paper's. Elsewhere, comparisons of truncations do not decide the claim.
    """
    of_length = {length: rows for length, rows in runs.groupby("window.length")}
    if not of_length:
        return []
    length, rows = max(of_length.items(), key=lambda item: (item[1]["window.method"].nunique(), item[0]))
    arms = {name: {"window.method": name, "window.length": length} for name in rows["window.method"].unique()}
    parts = []
    for dataset in rows["dataset"].unique():
        cut = _cut_otherwise(rows[rows["dataset"] == dataset], dataset, int(length))
        for other in arms:
            piecewise = other.startswith("hierarchical")
            if other != "head+tail" and "head+tail" in arms:
                label = f"head+tail against {other}, {dataset_title(dataset)}"
                reason, aside = (cut, False) if piecewise else ("", bool(cut))
                parts.append(_pair("head+tail", other, arms, label=label, on=(dataset,), aside=aside, untested=reason))
    return parts


def _cut_otherwise(runs: pd.DataFrame, dataset: str, length: int) -> str:
    """How many test documents the window cuts if that is far from the paper's share; empty if near, or not known."""
    records = [record for record in runs["record"] if record is not None] if "record" in runs else []
    tested = next((record for record in records if record.test), None)
    facts = published("table-1").query("row == @dataset and column == 'share_longer_than_512_percent'")["value"]
    if tested is None:
        return ""
    if facts.empty:
        return f"it is not known how many documents of {dataset_title(dataset)} the paper's window would cut"
    try:
        share = share_cut(lengths_of(tested), length)
    except StudyError:
        return f"it is not known how many test documents of {dataset_title(dataset)} the window cuts"
    papers = float(facts.iloc[0]) / 100
    if papers / CUT_MORE <= share <= papers * CUT_MORE:
        return ""
    return (
        f"the window of {length} wordpieces cuts {percent(share)} of the test documents, the paper's {percent(papers)}"
    )


def depth(runs: pd.DataFrame) -> list[Part]:
    """The error falls from the lowest layer to the last, and no other layer makes fewer errors than the last."""
    depths = levels(runs, "features.depth")
    if len(depths) < 2:
        return []
    arms = {f"the layer at {share:.0%} of the depth": {"features.depth": share} for share in depths}
    *others, last = arms
    places = dict(zip(arms, depths, strict=True))
    return [
        Part("fall of the error from the lowest layer to the last", arms, fall(places)),
        *(_pair(name, last, arms, label=f"{name} against the last", gain=False) for name in others),
    ]


def joined_layers(runs: pd.DataFrame) -> list[Part]:
    """No way of joining the last third of the layers makes fewer errors than the last layer."""
    parts = []
    for count in levels(runs, "encoder.layers"):
        third = tuple(range(int(count) - max(1, int(count) // 3), int(count)))
        here = chosen(runs, {"encoder.layers": count, "features.layers": third})
        for join in here["features.join"].unique() if len(third) > 1 else ():
            name = f"last third {join}"
            arms = {name: {"features.layers": third, "features.join": join}, "the last layer": {"features.depth": 1.0}}
            parts.append(_pair(name, "the last layer", arms, gain=False))
    return parts


def rates(runs: pd.DataFrame) -> list[Part]:
    """With the paper's optimiser, less is forgotten at the base rate than at twenty times that, where runs fail.

    Separate findings are the runs that fail with another optimiser at every rate above the base rate, and how many more
    these are than with the paper's.
    """
    adamw = chosen(runs, {"protocol.optimizer": "adamw"})
    multiples = levels(adamw, "training.times_base")
    if len(multiples) < 2:
        return []
    low = max((multiple for multiple in multiples if multiple <= 1), default=multiples[0])
    high = min(multiples, key=lambda multiple: abs(np.log(multiple / HIGH_RATE)))
    told = ", ".join(f"{multiple:g}" for multiple in multiples)
    near = isclose(high, HIGH_RATE, rel_tol=NEAR)
    untested = "" if near else f"the claim is about {HIGH_RATE} times the base rate, but the page has {told} times"
    names = {multiple: f"{multiple:g} times the base rate" for multiple in multiples}
    arms = {
        names[multiple]: {"protocol.optimizer": "adamw", "training.times_base": multiple} for multiple in (low, high)
    }
    forgotten = Contrast({names[high]: 1.0, names[low]: -1.0}, names[low])
    label = f"forgetting at {names[high]} minus that at {low:g} times"
    parts = [
        Part(label, arms, forgotten, FORGOTTEN, quantity="forgetting", untested=untested),
        _failing(high, "adamw", untested=untested),
    ]
    for optimizer in runs["protocol.optimizer"].unique():
        for multiple in levels(chosen(runs, {"protocol.optimizer": optimizer}), "training.times_base"):
            if optimizer != "adamw" and multiple > 1:
                parts.append(_failing(multiple, optimizer, aside=True))
                if multiple in multiples:
                    parts.append(_failing(multiple, optimizer, against="adamw", aside=True))
    return parts


def _failing(multiple: float, optimizer: str, *, against: str = "", aside: bool = False, untested: str = "") -> Part:
    """Runs of an optimiser that fail at a multiple of the base rate; or how many more fail than with another."""
    optimizers = [optimizer, *([against] if against else [])]
    arms = {name: {"protocol.optimizer": name, "training.times_base": multiple} for name in optimizers}
    contrast = Contrast(dict(zip(optimizers, (1.0, -1.0), strict=False)), optimizer)
    more = f", minus those with {against}" if against else ""
    label = f"runs that fail at {multiple:g} times the base rate with {optimizer}{more}"
    smallest = MORE_FAIL if against else FAILING
    return Part(label, arms, contrast, smallest, quantity="failures", aside=aside, untested=untested)


def decay(runs: pd.DataFrame, mild: float, smallest: Smallest) -> list[Part]:
    """At the lowest rate, the decay `mild` makes fewer errors than no decay."""
    found = levels(runs, "training.learning_rate")
    if not found:
        return []
    arms = {f"decay {xi:.2f}": {"training.learning_rate": found[0], "training.layer_decay": xi} for xi in (mild, 1.0)}
    label = f"decay {mild:.2f} against none at the base rate"
    return [_pair(*arms, arms, smallest, label=label)]


def steps(runs: pd.DataFrame) -> list[Part]:
    """The usual number of steps makes fewer errors than none, and more steps gain nothing further.

    The usual number is the paper's where a page has it, else the highest.
    """
    found = [count for count in levels(runs, "pretraining.steps") if count]
    if not found:
        return []
    papers = PretrainingRecipe().steps
    usual = papers if papers in found else found[-1]
    own = {**PLAIN, "pretraining.relation": OWN}
    arms = {f"{count:,} steps": {**own, "pretraining.steps": count} for count in found} | {"no steps": PLAIN}
    usually = f"{usual:,} steps"
    more = [
        _pair(
            f"{count:,} steps",
            usually,
            arms,
            label=f"{count / usual:g} times the usual steps against these",
            gain=False,
        )
        for count in found
        if count > usual
    ]
    return [_pair(usually, "no steps", arms, label="the usual steps against none"), *more]


def all_kinds(runs: pd.DataFrame) -> list[Part]:
    """Further pre-training on text of all kinds brings no clear gain."""
    arms = {"text of all kinds": ARMS[CDPT], NONE: PLAIN}
    return [_pair(*arms, arms, CLEAR, gain=False)]


def both_ways(one: str, others: Sequence[str], beside: Sequence[str] = ()) -> Rule:
    """Pre-training on one data set brings no clear gain for any of the others, nor on any of those for it.

    Args:
        one, others: names of data sets.
        beside: further data sets, whose comparisons are separate findings that do not decide the claim.
    """

    def rule(runs: pd.DataFrame) -> list[Part]:
        parts = []
        for other in (*others, *beside):
            for corpus, task in ((other, one), (one, other)):
                arms = {f"text of {dataset_title(corpus)}": {**PLAIN, "pretraining.corpus": (corpus,)}, NONE: PLAIN}
                arms[f"text of {dataset_title(corpus)}"].pop("pretraining.relation")
                label = f"pre-trained on {dataset_title(corpus)}, for {dataset_title(task)}"
                aside = other in beside
                parts.append(_pair(*arms, arms, CLEAR, label=label, gain=False, on=(task,), aside=aside))
        return parts

    return rule


def trec(runs: pd.DataFrame) -> list[Part]:
    """On TREC, pre-training on its own text makes more errors, and on other questions' text fewer."""
    hurts, helps = gains((FIT, ITPT), (IDPT, FIT), on=("trec",))(runs)
    if chosen(runs, {"dataset": "trec", **ARMS[IDPT]}).empty:
        only = "the page has no second set of questions, so the text of its domain is the task's own"
        helps = replace(helps, untested=only)
    return [hurts, helps]


def few_examples(runs: pd.DataFrame) -> list[Part]:
    """With about a hundred labels pre-training saves errors, and more of them than with the most labels.

    More are more points, told as a share of the errors with few labels.
    As in the paper on IMDb, where a page has it; other data sets are findings of their own.
    """
    found = levels(runs, "data.train")
    if len(found) < 2:
        return []
    few, most = min(found, key=lambda count: abs(np.log(count / FEW_LABELS))), found[-1]
    told = ", ".join(f"{count:,.0f}" for count in found)
    untested = (
        ""
        if isclose(few, FEW_LABELS, rel_tol=NEAR)
        else f"the claim is about {FEW_LABELS} labels, but the page has {told}"
    )
    arms = {
        f"{method}, {name} labels": {**ARMS[method], "data.train": count}
        for name, count in (("few", few), ("most", most))
        for method in (FIT, ITPT)
    }
    plain, pretrained, *_ = arms
    more = Contrast(dict(zip(arms, (1.0, -1.0, -1.0, 1.0), strict=True)), plain)
    label = f"gain with about {FEW_LABELS} labels"
    sets = [*runs["dataset"].unique()]
    papers = ("imdb",) if "imdb" in sets else tuple(sets)
    parts = [
        _pair(pretrained, plain, arms, label=label, on=papers, untested=untested),
        Part(f"{label} minus that with the most", arms, more, on=papers, untested=untested),
    ]
    beside = [name for name in sets if name not in papers]
    return parts + [
        _pair(
            pretrained, plain, arms, label=f"{label}, {dataset_title(name)}", on=(name,), aside=True, untested=untested
        )
        for name in beside
    ]


def larger_encoder(runs: pd.DataFrame) -> list[Part]:
    """The encoder with more layers makes fewer errors after further pre-training on the task's own text."""
    layers = levels(runs, "encoder.layers")
    if len(layers) < 2:
        return []
    smaller = chosen(runs, {"encoder.layers": layers[0]})
    whole = smaller["encoder.published_layers"].max()
    larger = {"encoder.layers": layers[-1]}
    arms = {"larger + ITPT": {**ARMS[ITPT], **larger}, "larger": {**PLAIN, **larger}}
    untested = (
        f"the larger encoder, with {layers[-1]:.0f} layers, is no larger than the encoder of the other pages"
        if layers[-1] <= whole
        else ""
    )
    return [_pair(*arms, arms, untested=untested)]
