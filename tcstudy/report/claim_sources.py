"""The paper's printed numbers for each claim, as a table of runs with the columns of `frame.every_column`."""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from tcstudy.catalog.datasets import dataset_facts, dataset_title
from tcstudy.experiments.domains import corpora
from tcstudy.report.beside_paper import trained_by_the_paper
from tcstudy.report.claim_rules import ARMS, FIT, Part, Rule
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


def long_texts() -> pd.DataFrame:
    """Table 2."""
    length = WindowSize().length
    return _table(printed_errors("table-2"), lambda row, _: {"window.method": row, "window.length": length})


def layers() -> pd.DataFrame:
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
    table = layers()
    single = table[table["dataset"] == dataset].dropna(subset="features.depth").sort_values("features.depth")
    error = single["error"].to_numpy()
    return pd.DataFrame({"depth": single["features.depth"].to_numpy(), "mean": error, "low": error, "high": error})


def layer_decay() -> pd.DataFrame:
    """Table 4: "lr 2e-05 decay 0.95"."""

    def columns(row: str, _: str) -> dict[str, Any]:
        rate, decay = re.fullmatch(r"lr (\S+) decay (\S+)", row).groups()
        return {"training.learning_rate": float(rate), "training.layer_decay": float(decay)}

    return _table(printed_errors("table-4"), columns)


def within_task() -> pd.DataFrame:
    """Figure 3's quotable point, and Table 6's error without further pre-training."""
    plain = _table(printed_errors("table-6").loc[[FIT]], lambda row, _: {"pretraining.steps": 0})
    steps = {"pretraining.steps": PretrainingRecipe().steps, "pretraining.relation": OWN}
    return pd.concat([plain, _table(printed_errors("figure-3"), lambda row, _: steps)])


def domains() -> pd.DataFrame:
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


def comparison() -> pd.DataFrame:
    """Table 6, without the cited systems."""
    return _table(trained_by_the_paper(), lambda row, _: dict(ARMS[row]))


def multitask() -> pd.DataFrame:
    """Table 7."""
    return _table(printed_errors("table-7"), lambda row, _: dict(ARMS[row]))


def few_shot() -> pd.DataFrame:
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


def larger_encoder() -> pd.DataFrame:
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
