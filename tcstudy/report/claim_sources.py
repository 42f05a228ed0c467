"""What the paper printed about each claim, as shares by `row` and `column`, its rows called as the pages' variants."""

import pandas as pd

from tcstudy.experiments.few_shot import PLAIN, PRETRAINED, subset_name
from tcstudy.experiments.larger_encoder import PRINTED_ROWS
from tcstudy.experiments.layers import paper_variant
from tcstudy.report.beside_paper import title
from tcstudy.report.claim_rules import Part, Rule
from tcstudy.report.comparison import trained_by_the_paper
from tcstudy.report.pretraining import printed_by_steps
from tcstudy.report.published import printed_errors


def long_texts() -> pd.Series:
    """Table 2."""
    return printed_errors("table-2")


def layers() -> pd.Series:
    """Table 3."""
    return printed_errors("table-3").rename(paper_variant, level="row")


def layer_decay() -> pd.Series:
    """Table 4."""
    return printed_errors("table-4")


def within_task() -> pd.Series:
    """Figure 3's quotable point, beside Table 6's error without further pre-training."""
    return printed_by_steps()


def domains() -> pd.Series:
    """Table 5."""
    return printed_errors("table-5")


def comparison() -> pd.Series:
    """Table 6, without cited systems."""
    return trained_by_the_paper()


def multitask() -> pd.Series:
    """Table 7."""
    return printed_errors("table-7")


def few_shot() -> pd.Series:
    """Figure 4's quotable points, beside Table 6's errors with all labels."""
    points = {
        (f"{method}, {subset}", dataset): error
        for (method, column), error in printed_errors("figure-4").items()
        for dataset, subset in [column.split(", ", 1)]
    }
    everything = trained_by_the_paper().loc[[PLAIN, PRETRAINED]]
    complete = everything.rename(lambda method: f"{method}, {subset_name(1)}", level="row")
    few = pd.Series(points).rename_axis(["row", "column"])
    return pd.concat([few, complete[complete.index.get_level_values("column").isin(few.index.levels[1])]])


def larger_encoder() -> pd.Series:
    """Table 8."""
    return printed_errors("table-8").rename(PRINTED_ROWS, level="row")


def printed_effects(rule: Rule, printed: pd.Series) -> dict[str, tuple[Part, float]]:
    """The paper's effect for each part of a claim, by its label, as far as what was printed is enough.

    Args:
        rule: the parts of the claim; their labels are the same for the paper's encoder and for any other.
        printed: error rates by `row` and `column`.
    """
    matrix = printed.unstack("column")
    found = {}
    for part in rule(list(dict.fromkeys(printed.index.get_level_values("row")))):
        if not part.contrast.weights.keys() <= set(matrix.index):
            continue
        complete = matrix.loc[list(part.contrast.weights)].dropna(axis="columns")
        effects = {
            name: float(part.contrast.of(complete[name]))
            for name in complete.columns
            if part.on is None or name in part.on
        }
        if part.each:
            found |= {f"{part.label}, {title(name)}": (part, effect) for name, effect in effects.items()}
        elif effects:
            found[part.label] = (part, sum(effects.values()) / len(effects))
    return found
