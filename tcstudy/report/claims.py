"""Claims as values, the paper's and others: the runs compared, the direction, and the smallest effect that counts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd

from tcstudy.report import claim_rules as rules
from tcstudy.report import claim_sources as printed
from tcstudy.report.claim_rules import (
    BETTER,
    CDPT,
    CDPT_MULTITASK,
    FEATURES,
    FIT,
    IDPT,
    ITPT,
    LITTLE,
    MULTITASK,
    Rule,
    gains,
    no_gains,
)


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
        printed.long_texts,
    ),
    Claim(
        2,
        "the last layer is best, error falls with depth",
        "The last layer's [CLS] is the best single layer; the error falls with depth.",
        "5.3.2, Table 3",
        "layers",
        rules.depth,
        printed.layers,
    ),
    Claim(
        3,
        "joining the last layers gains nothing",
        "Joining the last third of the layers (four of twelve) gains nothing over the last layer alone.",
        "5.3.2, Table 3",
        "layers",
        rules.joined_layers,
        printed.layers,
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
        printed.layer_decay,
    ),
    Claim(
        6,
        "pre-training within the task helps",
        "Further pre-training within the task helps, up to about the usual number of steps.",
        "5.4.1, Figure 3",
        "within_task",
        rules.steps,
        printed.within_task,
    ),
    Claim(
        7,
        "in-domain text helps more than the task's own",
        "In-domain further pre-training generally helps more than within-task.",
        "5.4.2, Table 5",
        "comparison",
        gains((IDPT, ITPT)),
        printed.comparison,
    ),
    Claim(
        8,
        "text of all domains brings no clear gain",
        "Cross-domain further pre-training, on all texts, brings no clear gain.",
        "5.4.2, Table 5",
        "domains",
        rules.all_kinds,
        printed.domains,
    ),
    Claim(
        9,
        "TREC: within-task hurts, in-domain helps",
        "On TREC, a small data set of single sentences, within-task pre-training hurts and in-domain helps.",
        "5.4.2, Table 5",
        "comparison",
        gains((FIT, ITPT), (IDPT, FIT), on=("trec",)),
        printed.comparison,
    ),
    Claim(
        10,
        "IMDb and Yelp do not help each other",
        "Pre-training on IMDb does not help Yelp, nor vice versa.",
        "5.4.2, Table 5",
        "domains",
        rules.both_ways("imdb", ("yelp_polarity", "yelp_full"), beside=("rotten_tomatoes",)),
        printed.domains,
    ),
    Claim(
        11,
        "fine-tuning beats features, pre-training helps",
        "Fine-tuning beats features; all three kinds of further pre-training beat plain fine-tuning; in-domain is best "
        "on average.",
        "5.4.3, Table 6",
        "comparison",
        gains((FIT, FEATURES), (ITPT, FIT), (IDPT, FIT), (CDPT, FIT), (IDPT, ITPT), (IDPT, CDPT)),
        printed.comparison,
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
        printed.multitask,
    ),
    Claim(
        13,
        "pre-training helps most with few examples",
        "Further pre-training helps most with few labelled examples.",
        "5.6, Figure 4",
        "few_shot",
        rules.few_examples,
        printed.few_shot,
    ),
    Claim(
        14,
        "a larger encoder also gains from pre-training",
        "The larger encoder also gains from further pre-training within the task.",
        "5.7, Table 8",
        "larger_encoder",
        rules.larger_encoder,
        printed.larger_encoder,
    ),
)

CLAIMS: tuple[Claim, ...] = PAPERS_CLAIMS
"""All claims that are tested; a page's own claim, with `number=None`, comes after the paper's."""

PAGES = tuple(dict.fromkeys(claim.page for claim in CLAIMS))
"""The pages whose records decide the claims."""
