import numpy as np
import pytest

from tcstudy.catalog.datasets import DATASETS
from tcstudy.experiments import HardDocuments
from tcstudy.report import documents as report
from tcstudy.report.documents import may_stand_here
from tcstudy.study.record import Predictions
from tcstudy.study.run import run_all
from tcstudy.study.sets import lengths_of

METHODS = ("head-only", "tail-only", "head+tail")
WRONG = {  # by method and seed, whether each of five documents is
    ("head-only", 0): "00111",
    ("head-only", 1): "01111",
    ("tail-only", 0): "00011",
    ("tail-only", 1): "00011",
    ("head+tail", 0): "01101",
    ("head+tail", 1): "00101",
}


@pytest.fixture
def experiment():
    data = [{"name": "bbc_news", "train": 20, "validation": 10, "test": 5}]
    given = {"encoder": {"name": "tiny"}, "data": data, "window": {"length": 12}, "methods": METHODS, "seeds": [0, 1]}
    return HardDocuments.model_validate(given | {"training": {"batch_size": 8, "epochs": 1}})


@pytest.fixture
def records(experiment, made_up):
    labels, found = np.zeros(5, dtype=int), {}
    for key, spec in experiment.runs().items():
        predicted = [int(letter) for letter in WRONG[key.variant, key.seed]]
        test = Predictions.pack(labels, np.eye(2)[predicted], np.arange(1, 6))
        found[key] = made_up(spec).model_copy(update={"test": test})
    return found


def test_kinds_by_hand(records):
    documents = report.hardness(records)
    kinds = [report.ALWAYS, report.FLIPS, report.ONE, report.ONE, report.NEVER]
    assert documents["kind"].tolist() == kinds
    assert documents["only"].tolist() == [None, None, "tail-only", "head+tail", None]
    assert documents["wrong"].tolist() == pytest.approx([0, 2 / 6, 4 / 6, 4 / 6, 1])
    assert documents["undecided"].tolist() == pytest.approx([0, 2 / 3, 0, 0, 0])
    assert documents["length"].tolist() == [1, 2, 3, 4, 5]


def test_shares_add_up_to_all_documents(records):
    documents = report.hardness(records)
    counts = report.by_share(documents)
    assert counts.index.tolist() == pytest.approx([number / 6 for number in range(7)])
    assert counts.tolist() == [1, 0, 1, 0, 2, 0, 1]
    assert (counts * counts.index).sum() / 5 == pytest.approx(documents["wrong"].mean())


def test_tables_by_hand(records):
    documents = report.hardness(records)
    rows = report.kinds_table(documents, "t").rows
    assert rows[0] == [report.ALWAYS, DATASETS["bbc_news"].title, "1", "20.0%", "1"]
    assert [row[2] for row in rows] == ["1", "1", "2", "0", "1"]
    assert report.only_table(documents, METHODS, "t").rows == [
        ["head-only", "0"],
        ["tail-only", "1"],
        ["head+tail", "1"],
    ]


def test_a_seed_that_diverged_counts_for_no_method(records):
    lost = {
        key: r.model_copy(update={"test": None}) if key.seed and "head" in key.variant else r
        for key, r in records.items()
    }
    documents = report.hardness(lost)
    assert set(documents["runs"]) == {3}
    assert documents["undecided"].tolist() == [0] * 5  # one seed cannot disagree with itself


def test_of_each_kind_so_many_are_chosen(records):
    documents = report.hardness(records)
    assert sorted(report.chosen(documents, 1)["document"]) == [1, 2, 4]
    assert sorted(report.chosen(documents, 5)["document"]) == [1, 2, 3, 4]


def test_texts_are_those_of_the_test_split(experiment):
    records = run_all(experiment.runs())
    rows = report.hardness(records).assign(kind=report.NEVER, only=None)
    texts = list(report.texts(experiment, report.chosen(rows, 5)))
    assert len(texts) == 5
    lengths = lengths_of(next(iter(records.values()))).tolist()
    assert [len(text.vocabulary.offsets(text.text)) for text in texts] == lengths
    assert all(report.NEVER in text.label for text in texts)


def test_of_texts_that_may_not_stand_here_the_parts_are_told(experiment, records, monkeypatch):
    monkeypatch.setattr(report, "may_stand_here", lambda name, profile: False)
    monkeypatch.setattr(report, "load_corpus", lambda data: pytest.fail("texts were read"))
    rows = report.hardness(records).assign(length=[3, 10, 11, 25, 30])
    [table] = report.texts(experiment, report.chosen(rows, 1))
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["5"] == ["business", report.NEVER, "100.0%", "30", "1–10", "21–30", "1–3, 24–30"]
    assert cells["2"] == ["business", report.FLIPS, "33.3%", "10", "1–10", "1–10", "1–10"]


def test_in_the_published_study_stand_texts_that_every_machine_has(monkeypatch, tmp_path):
    names = ("bbc_news", "general", "imdb", "ag_news")
    assert [may_stand_here(name, "mini") for name in names] == [True, True, False, False]
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    (tmp_path / "imdb").mkdir()
    assert not may_stand_here("imdb", "mini")
    assert may_stand_here("imdb", "mine")
