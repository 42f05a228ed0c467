from pathlib import Path

import datasets
import numpy as np
import pytest

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.corpora import loading
from tcstudy.corpora.loading import content_digest, load_corpus, load_source
from tcstudy.errors import StudyError
from tcstudy.spec import DataSpec


def write(folder: Path, train: dict, test: dict, name: str = "rotten_tomatoes") -> None:
    (folder / name).mkdir(parents=True)
    for part, columns in {"train": train, "test": test}.items():
        datasets.Dataset.from_dict(columns).to_parquet(folder / name / f"{part}.parquet")


def columns(*texts: str) -> dict[str, list]:
    return {"text": list(texts), "label": [i % 2 for i in range(len(texts))]}


def test_three_disjoint_stratified_splits():
    corpus = load_corpus(DataSpec(name="bbc_news", train=50, validation=20, test=25))
    assert [len(corpus.train), len(corpus.validation), len(corpus.test)] == [50, 20, 25]
    assert not set(corpus.train["text"]) & set(corpus.validation["text"])
    for split in (corpus.train, corpus.validation, corpus.test):
        assert set(np.bincount(split["label"])) == {len(split) // 5}  # five classes of equal size


def test_the_test_documents_do_not_depend_on_the_draw():
    one, other = (load_corpus(DataSpec(name="bbc_news", train=50, test=25, draw=draw)) for draw in (0, 1))
    assert list(one.test["text"]) == list(other.test["text"])
    assert list(one.train["text"]) != list(other.train["text"])
    assert list(one.validation["text"]) != list(other.validation["text"])


def test_without_sizes_all_documents_are_used_and_a_tenth_validates():
    corpus = load_corpus(DataSpec(name="bbc_news"))
    assert [len(corpus.train), len(corpus.validation), len(corpus.test)] == [108, 12, 50]


def test_text_of_the_test_split_never_enters_training(tmp_path, monkeypatch):
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    train = columns("good film", "bad film", "Seen, before!", "fine", "seen before", "poor", "poor", "bad film")
    write(tmp_path, train, columns("seen before", "a", "b", "a"))
    corpus = load_corpus(DataSpec(name="rotten_tomatoes", validation=1))
    assert corpus.report.removed_from_train == 2
    assert corpus.report.repeated_in_train == 3  # poor, bad film, seen before
    assert corpus.report.repeated_in_test == 1
    assert "seen" not in " ".join([*corpus.train["text"], *corpus.validation["text"]]).lower()


def test_markup_of_the_source_is_read_as_a_blank(tmp_path, monkeypatch):
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    write(tmp_path, columns("one<br />two", "x"), columns("three", "four<br /><br />five"), name="imdb")
    source = load_source("imdb")
    assert list(source.train["text"]) == ["one two", "x"]
    assert list(source.test["text"]) == ["three", "four  five"]


def test_the_report_says_what_was_found():
    report = load_corpus(DataSpec(name="bbc_news", train=10, validation=5, test=5)).report
    assert report.origin == "local folder"
    assert (report.train.rows, report.train.official_rows) == (120, 1789)
    assert report.train.copy_known_as == "not examined before"
    assert (report.used_train, report.used_validation, report.used_test) == (10, 5, 5)


def test_the_content_digest_sees_text_label_and_order():
    digests = {
        content_digest(datasets.Dataset.from_dict({"text": texts, "label": labels}))
        for texts, labels in [(["a", "b"], [0, 1]), (["b", "a"], [0, 1]), (["a", "b"], [1, 0]), (["a", "c"], [0, 1])]
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        ({"txt": ["a"], "label": [0]}, columns("a", "b"), "lacks the column text; it has"),
        ({"text": ["a", "b"], "label": [0, 2]}, columns("a", "b"), "label 2 in row 1, but labels go from 0 to 1"),
        ({"text": ["a", "b"], "label": [0, -1]}, columns("a", "b"), "label -1 in row 1"),
        ({"text": ["a", "b"], "label": ["0", "1"]}, columns("a", "b"), "label '0' in row 0"),
        ({"text": ["a", "b"], "label": [0, 0]}, columns("a", "b"), "no document of the class fresh"),
        ({"text": ["a", None], "label": [0, 1]}, columns("a", "b"), "row 1 holds None, which is not text"),
        (columns("a", "b"), columns(*map(str, range(2430))), "2,430 rows, but the official split has 2,429"),
        (columns("a", "b"), columns("c", "d"), "train and validation ask for 8 documents, but its copy"),
    ],
)
def test_a_folder_that_does_not_fit_the_catalogue_is_told(tmp_path, monkeypatch, train, test, sentence):
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    write(tmp_path, train, test)
    with pytest.raises(StudyError, match=sentence):
        load_corpus(DataSpec(name="rotten_tomatoes", train=7, validation=1))


def test_a_missing_or_broken_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    (tmp_path / "trec").mkdir()
    with pytest.raises(StudyError, match=r"trec/train\.parquet is missing"):
        load_corpus(DataSpec(name="trec"))
    (tmp_path / "trec" / "train.parquet").write_text("no parquet")
    with pytest.raises(StudyError, match=r"trec/train\.parquet cannot be read as Parquet"):
        load_corpus(DataSpec(name="trec"))


def test_sets_that_are_nowhere_are_told():
    with pytest.raises(StudyError, match="sogou is read from a local folder only"):
        load_corpus(DataSpec(name="sogou"))
    with pytest.raises(
        StudyError, match=r"yelp_full is not in a local data folder .* and the hub's .* cannot be loaded"
    ):
        load_corpus(DataSpec(name="yelp_full"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bbc_news", "rotten_tomatoes"])
def test_the_bundled_sets_are_what_the_catalogue_says(name, real_wheels):
    source = load_source(name)
    assert source.train_report.copy_known_as == source.test_report.copy_known_as == "complete"
    assert len(source.usable) + len(source.test) > 0.98 * (source.facts.train + source.facts.test)


@pytest.mark.slow
def test_imdb_counts_as_the_paper_printed(real_data, real_wheels, monkeypatch):
    from tcstudy.encoding.tokens import load_vocabulary
    from tcstudy.report.published import published
    from tcstudy.report.stats import length_summary
    from tcstudy.spec import EncoderSpec

    monkeypatch.setenv("TCSTUDY_DATA", str(real_data.absolute()))
    source = load_source("imdb")
    lengths = load_vocabulary(EncoderSpec(name="minilm-l6-uncased")).lengths(source.texts())
    summary = length_summary(lengths, 512)
    printed = published("table-1").query("row == 'imdb'").set_index("column")["value"]
    assert f"{summary['mean']:.0f}" == printed["average_length_wordpieces"]
    assert f"{summary['longest']}" == printed["max_length_wordpieces"]
    assert f"{100 * summary['long']:.2f}" == printed["share_longer_than_512_percent"]


@pytest.mark.parametrize(
    ("name", "rows", "texts", "labels"),
    [
        (
            "trec",
            {"text": ["Who ?", "What ?"], "label": [40, 3], "label_coarse_original": ["HUM", "ABBR"]},
            ["Who ?", "What ?"],
            [3, 0],
        ),
        (
            "yahoo_answers",
            {"topic": [9, 0], "question_title": ["a", "d"], "question_content": ["b", None], "best_answer": ["c", "f"]},
            ["a b c", "d  f"],
            [9, 0],
        ),
    ],
)
def test_the_hubs_columns_are_joined_and_its_labels_named(monkeypatch, name, rows, texts, labels):
    asked = {}

    def load_dataset(hub_id: str, revision: str, split: str, cache_dir: str) -> datasets.Dataset:
        asked[split] = (hub_id, revision)
        return datasets.Dataset.from_dict(rows)

    monkeypatch.setattr(loading.datasets, "load_dataset", load_dataset)
    origin, train, test = loading._find(dataset_facts(name), data_folder=None)
    facts = dataset_facts(name)
    assert asked == {part: (facts.hub.id, facts.hub.commit) for part in ("train", "test")}
    assert origin == f"hub {facts.hub.id} at {facts.hub.commit}"
    assert list(train["text"]) == list(test["text"]) == texts
    assert list(train["label"]) == labels


def test_a_pinned_copy_of_the_wrong_size_is_refused(monkeypatch):
    monkeypatch.setattr(
        loading.datasets, "load_dataset", lambda *_, **__: datasets.Dataset.from_dict(columns("a", "b"))
    )
    with pytest.raises(StudyError, match="2 rows, but the official split has 25,000"):
        load_source("imdb")
