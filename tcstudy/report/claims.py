"""Claims as values, the paper's and others: the runs compared, the direction, and the smallest effect that counts.

The paper's printed numbers for a claim are a table of runs with the columns of `frame.every_column`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from tcstudy.catalog.datasets import dataset_facts, dataset_title
from tcstudy.experiments.domains import corpora
from tcstudy.report import claim_rules as rules
from tcstudy.report.beside_paper import trained_by_the_paper
from tcstudy.report.claim_rules import (
    ARMS,
    BETTER,
    CDPT,
    CDPT_MULTITASK,
    FEATURES,
    FIT,
    IDPT,
    ITPT,
    LITTLE,
    MULTITASK,
    Part,
    Rule,
    gains,
    no_gains,
)
from tcstudy.report.frame import NONE, OWN, PLAIN, chosen, relation
from tcstudy.report.published import printed_errors
from tcstudy.spec import PretrainingRecipe, WindowSize

BASE, LARGE = 12, 24
"""Layers of the paper's two encoders."""


def _table(printed: pd.Series, columns: Callable[[str, str], dict[str, Any]]) -> pd.DataFrame:
    """One row for each printed error: dataset, error, and the columns of its row and column in the paper's table."""
    return pd.DataFrame(
        [
            {**PLAIN, "dataset": column.split(", ")[0], "error": error, **columns(row, column)}
            for (row, column), error in printed.items()
        ]
    )


def printed_long_texts() -> pd.DataFrame:
    """Table 2."""
    length = WindowSize().length
    return _table(printed_errors("table-2"), lambda row, _: {"window.method": row, "window.length": length})


def printed_layers() -> pd.DataFrame:
    """Table 3, of an encoder with twelve layers: "layer 3", "first 4 mean"."""

    def columns(row: str, _: str) -> dict[str, Any]:
        group, *rest = row.split()
        if group == "layer":
            return {"encoder.layers": BASE, "features.depth": (int(rest[0]) + 1) / BASE}
        count, join = int(rest[0]), rest[1]
        first = BASE - count if group == "last" else 0
        return {"encoder.layers": BASE, "features.layers": tuple(range(first, first + count)), "features.join": join}

    return _table(printed_errors("table-3"), columns)


def layers_by_depth(dataset: str) -> pd.DataFrame:
    """Table 3's single layers on a data set, in the form of `stats.by_depth`; mean, low and high are equal."""
    table = printed_layers()
    single = table[table["dataset"] == dataset].dropna(subset="features.depth").sort_values("features.depth")
    error = single["error"].to_numpy()
    return pd.DataFrame({"depth": single["features.depth"].to_numpy(), "mean": error, "low": error, "high": error})


def printed_layer_decay() -> pd.DataFrame:
    """Table 4: "lr 2e-05 decay 0.95"."""

    def columns(row: str, _: str) -> dict[str, Any]:
        rate, decay = re.fullmatch(r"lr (\S+) decay (\S+)", row).groups()
        return {"training.learning_rate": float(rate), "training.layer_decay": float(decay)}

    return _table(printed_errors("table-4"), columns)


def printed_within_task() -> pd.DataFrame:
    """Figure 3's quotable point, and Table 6's error without further pre-training."""
    plain = _table(printed_errors("table-6").loc[[FIT]], lambda row, _: {"pretraining.steps": 0})
    steps = {"pretraining.steps": PretrainingRecipe().steps, "pretraining.relation": OWN}
    return pd.concat([plain, _table(printed_errors("figure-3"), lambda row, _: steps)])


def printed_domains() -> pd.DataFrame:
    """Table 5, whose rows are corpora."""
    printed = printed_errors("table-5")
    members = corpora(list(dict.fromkeys(printed.index.get_level_values("column"))))

    def columns(row: str, column: str) -> dict[str, Any]:
        corpus = members.get(row, ())
        return {
            "pretraining.corpus": tuple(corpus),
            "pretraining.relation": relation(corpus, column) if corpus else NONE,
        }

    return _table(printed, columns)


def printed_comparison() -> pd.DataFrame:
    """Table 6, without the cited systems."""
    return _table(trained_by_the_paper(), lambda row, _: dict(ARMS[row]))


def printed_multitask() -> pd.DataFrame:
    """Table 7."""
    return _table(printed_errors("table-7"), lambda row, _: dict(ARMS[row]))


def printed_few_shot() -> pd.DataFrame:
    """Figure 4's quotable points, at shares of the training documents, and Table 6's errors with all of them."""

    def columns(row: str, column: str) -> dict[str, Any]:
        dataset, _, share = column.partition(", ")
        part = float(share.split("%")[0]) / 100 if share else 1
        return {**ARMS[row], "data.train": round(part * dataset_facts(dataset).train)}

    few = printed_errors("figure-4")
    shown = {column.split(", ")[0] for column in few.index.get_level_values("column")}
    everything = trained_by_the_paper().loc[[*dict.fromkeys(few.index.get_level_values("row"))]]
    everything = everything[everything.index.get_level_values("column").isin(shown)]
    return pd.concat([_table(few, columns), _table(everything, columns)])


def printed_larger_encoder() -> pd.DataFrame:
    """Table 8, without the cited system."""
    printed = printed_errors("table-8")
    encoders = {"BERT-base": BASE, "BERT-large": LARGE}

    def columns(row: str, _: str) -> dict[str, Any]:
        name, *pretrained = row.split(" + ")
        depth = {"encoder.layers": encoders[name], "encoder.published_layers": encoders[name]}
        return depth | ({"pretraining.relation": OWN} if pretrained else {})

    return _table(printed[[row.split(" + ")[0] in encoders for row, _ in printed.index]], columns)


def printed_effects(rule: Rule, printed: pd.DataFrame) -> dict[str, tuple[Part, float]]:
    """The paper's effect for each part of a claim, by its label, where the printed numbers suffice.

    Args:
        rule: the parts of the claim; their labels are the same for the paper's encoder and for any other.
        printed: errors as a table of runs.
    """
    found = {}
    for part in rule(printed):
        effects = {}
        for dataset, rows in printed.groupby("dataset", sort=False):
            cells = {name: chosen(rows, arm)["error"].dropna() for name, arm in part.arms.items()}
            if (part.on is None or dataset in part.on) and all(len(cell) == 1 for cell in cells.values()):
                effects[dataset] = float(part.contrast.of({name: cell.iloc[0] for name, cell in cells.items()}))
        if part.each:
            found |= {f"{part.label}, {dataset_title(name)}": (part, effect) for name, effect in effects.items()}
        elif effects:
            found[part.label] = (part, sum(effects.values()) / len(effects))
    return found


@dataclass(frozen=True)
class Claim:
    """A claim. It holds if every part of it does, and does not hold if one part does not.

    Attributes:
        number: in the list of the paper's claims; None for a claim that is not the paper's.
        title: in a few words, for figures.
        sentence: the claim.
        section: of the paper, with the table or figure; or who else makes the claim.
        page: whose records decide it.
        parts: the comparisons, from a table of the page's runs.
        paper: the paper's printed numbers, as a table of runs; None where the paper only plots them or has none.
    """

    number: int | None
    title: str
    sentence: str
    section: str
    page: str
    parts: Rule
    paper: Callable[[], pd.DataFrame] | None = None

    @property
    def label(self) -> str:
        """Its name in tables and figures: its number, or "own" if it is not the paper's."""
        return "own" if self.number is None else f"{self.number}"


PAPERS_CLAIMS = (
    Claim(
        1,
        "head+tail beats every other way",
        "For long texts, head+tail beats head-only, tail-only and every hierarchical variant.",
        "5.3.1, Table 2",
        "long_texts",
        rules.long_texts,
        printed_long_texts,
    ),
    Claim(
        2,
        "the last layer is best, error falls with depth",
        "The last layer's [CLS] is the best single layer; the error falls with depth.",
        "5.3.2, Table 3",
        "layers",
        rules.depth,
        printed_layers,
    ),
    Claim(
        3,
        "joining the last layers gains nothing",
        "Joining the last third of the layers (four of twelve) gains nothing over the last layer alone.",
        "5.3.2, Table 3",
        "layers",
        rules.joined_layers,
        printed_layers,
    ),
    Claim(
        4,
        "a low learning rate forgets less, a high one fails",
        "A low learning rate such as 2e-5 avoids forgetting; a high one such as 4e-4 fails to converge.",
        "5.3.3, Figure 2",
        "forgetting",
        rules.rates,
    ),
    Claim(
        5,
        "a mild layer-wise decay helps a little",
        "A mild layer-wise decay, 0.95 at the base learning rate, helps a little.",
        "5.3.4, Table 4",
        "layer_decay",
        partial(rules.decay, mild=0.95, smallest=LITTLE),
        printed_layer_decay,
    ),
    Claim(
        6,
        "pre-training within the task helps",
        "Further pre-training within the task helps, up to about the usual number of steps.",
        "5.4.1, Figure 3",
        "within_task",
        rules.steps,
        printed_within_task,
    ),
    Claim(
        7,
        "in-domain text helps more than the task's own",
        "In-domain further pre-training generally helps more than within-task.",
        "5.4.2, Table 5",
        "comparison",
        gains((IDPT, ITPT)),
        printed_comparison,
    ),
    Claim(
        8,
        "text of all domains brings no clear gain",
        "Cross-domain further pre-training, on all texts, brings no clear gain.",
        "5.4.2, Table 5",
        "domains",
        rules.all_kinds,
        printed_domains,
    ),
    Claim(
        9,
        "TREC: within-task hurts, in-domain helps",
        "On TREC, a small data set of single sentences, within-task pre-training hurts and in-domain helps.",
        "5.4.2, Table 5",
        "comparison",
        rules.trec,
        printed_comparison,
    ),
    Claim(
        10,
        "IMDb and Yelp do not help each other",
        "Pre-training on IMDb does not help Yelp, nor vice versa.",
        "5.4.2, Table 5",
        "domains",
        rules.both_ways("imdb", ("yelp_polarity", "yelp_full"), beside=("rotten_tomatoes",)),
        printed_domains,
    ),
    Claim(
        11,
        "fine-tuning beats features, pre-training helps",
        "Fine-tuning beats features; all three kinds of further pre-training beat plain fine-tuning; in-domain is best "
        "on average.",
        "5.4.3, Table 6",
        "comparison",
        gains((FIT, FEATURES), (ITPT, FIT), (IDPT, FIT), (CDPT, FIT), (IDPT, ITPT), (IDPT, CDPT)),
        printed_comparison,
    ),
    Claim(
        12,
        "multi-task helps, but less than pre-training",
        "Multi-task fine-tuning helps plain BERT, but less than further pre-training does, and does not help on top of "
        "cross-domain pre-training for Yelp P. and AG's News.",
        "5.5, Table 7",
        "multitask",
        lambda runs: (
            *gains((MULTITASK, FIT), (CDPT, MULTITASK))(runs),
            *no_gains((CDPT_MULTITASK, CDPT), smallest=BETTER, on=("yelp_polarity", "ag_news"), each=True)(runs),
        ),
        printed_multitask,
    ),
    Claim(
        13,
        "pre-training helps most with few examples",
        "Further pre-training helps most with few labelled examples.",
        "5.6, Figure 4",
        "few_shot",
        rules.few_examples,
        printed_few_shot,
    ),
    Claim(
        14,
        "a larger encoder also gains from pre-training",
        "The larger encoder also gains from further pre-training within the task.",
        "5.7, Table 8",
        "larger_encoder",
        rules.larger_encoder,
        printed_larger_encoder,
    ),
)

CLAIMS: tuple[Claim, ...] = PAPERS_CLAIMS
"""All claims that are tested; a page's own claim, with `number=None`, comes after the paper's."""

PAGES = tuple(dict.fromkeys(claim.page for claim in CLAIMS))
"""The pages whose records decide the claims."""
