"""Data folders full of nonsense: told in a sentence before anything is trained, or trained on as they are."""

import math
import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcstudy.corpora import loading
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.encoders import make_encoder
from tcstudy.study.run import run

GOOD = {"text": [f"great fun number {i}" for i in range(12)], "label": [i % 2 for i in range(12)]}
PAGE = {
    "encoder": {"name": "tiny"},
    "data": [{"name": "rotten_tomatoes", "train": 4, "validation": 2, "test": 4}],
    "window": {"length": 12},
    "methods": ["head-only"],
    "training": {"batch_size": 4, "epochs": 1},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of data in which a set of two classes is to be put, and a cache of the test's own."""
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "rotten_tomatoes").mkdir(parents=True)
    (tmp_path / "long_texts.yaml").write_text(yaml.safe_dump(PAGE))
    return tmp_path / "data" / "rotten_tomatoes"


def put(folder: Path, train: dict | pyarrow.Table, test: dict | pyarrow.Table = GOOD) -> None:
    for part, columns in (("train", train), ("test", test)):
        table = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns)
        pyarrow.parquet.write_table(table, folder / f"{part}.parquet")
    loading._load_source.cache_clear()


@pytest.fixture
def train(folder, begins):
    """Has the command line train on the folder; whether it came to that, and what it said if not."""
    return lambda: begins(folder.parents[1] / "long_texts.yaml")


texts = st.one_of(
    st.text(max_size=30), st.sampled_from(["", " ", "\x00", "a\x00b", "\x1b[31m", "x" * 5000, "<script>"])
)
labels = st.one_of(st.integers(-2, 3), st.sampled_from([0, 1]))
odd = st.one_of(st.none(), st.booleans(), st.floats(), st.binary(max_size=4), st.lists(st.integers(), max_size=2))


@st.composite
def columns(draw):
    """Columns of a data file, some of them odd."""
    rows = draw(st.integers(0, 14))
    of_texts, of_labels = (
        draw(st.one_of(usual, usual, usual, unusual))
        for usual, unusual in [
            (st.just(texts), st.one_of(st.just(odd), st.just(st.integers()), st.just(st.none()))),
            (st.just(labels), st.one_of(st.just(odd), st.just(st.text(max_size=2)), st.just(st.just(0)))),
        ]
    )
    names = draw(st.sampled_from([("text", "label")] * 6 + [("txt", "label"), ("text", "Label"), ("text", "text\x00")]))
    return {
        names[0]: draw(st.lists(of_texts, min_size=rows, max_size=rows)),
        names[1]: draw(st.lists(of_labels, min_size=rows, max_size=rows)),
    }


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(given=columns(), good=st.booleans())
def test_any_columns(folder, train, given, good):
    try:
        table = pyarrow.table(given)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        return  # what no one can have written
    put(folder, table, GOOD if good else table)
    begun, _ = train()
    if begun:
        assert all(isinstance(text, str) for text in given["text"])
        assert {*given["label"]} == {0, 1}


def one_row_more(**changes):
    return {name: [*values, changes.get(name, values[0])] for name, values in GOOD.items()}


@pytest.mark.parametrize(
    ("train_columns", "sentence"),
    [
        ({"text": GOOD["text"]}, "lacks the column label; it has"),
        ({}, "lacks the column label and text"),
        ({"text": [], "label": []}, "no document of the class rotten, fresh"),
        (GOOD | {"label": [0] * 12}, "no document of the class fresh"),
        (GOOD | {"label": [i % 3 for i in range(12)]}, "label 2 in row 2, but labels go from 0 to 1"),
        (GOOD | {"label": [float(i % 2) for i in range(12)]}, "label 0.0 in row 0"),
        (GOOD | {"label": [bool(i % 2) for i in range(12)]}, "label False in row 0"),
        (GOOD | {"label": [math.nan] * 12}, "label nan in row 0"),
        (GOOD | {"label": pyarrow.array([2**63] * 12, pyarrow.uint64())}, "label 9223372036854775808 in row 0"),
        (one_row_more(label=None), "label None in row 12"),
        (one_row_more(text=None), "row 12 holds None, which is not text"),
        (GOOD | {"text": [1.5] * 12}, "row 0 holds 1.5, which is not text"),
        (GOOD | {"text": [["nested"]] * 12}, r"row 0 holds \['nested'\], which is not text"),
        (GOOD | {"text": [b"\xff\xfe"] * 12}, "which is not text"),
        (GOOD | {"text": [*GOOD["text"][:11], "x"]}, "train and validation ask for 6 documents, but .* has 1"),
    ],
)
def test_what_is_wrong_is_told_before_training(folder, train, train_columns, sentence):
    put(folder, train_columns)
    begun, err = train()
    assert not begun
    assert re.search(sentence, err)


def test_text_that_is_no_utf_8_is_told(folder, train):
    broken = pyarrow.array([b"\xff\xfe bad"] * 12).cast(pyarrow.binary())
    text = pyarrow.StringArray.from_buffers(12, *broken.buffers()[1:])
    put(folder, pyarrow.table({"text": text, "label": GOOD["label"]}))
    begun, err = train()
    assert not begun
    assert "train.parquet cannot be read as Parquet" in err


@pytest.mark.parametrize("kind", ["folder", "text", "empty", "half", "none", "link to nowhere"])
def test_what_is_no_parquet_is_told(folder, train, kind):
    put(folder, GOOD)
    path = folder / "train.parquet"
    whole = path.read_bytes()
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("text,label\n")
        case "empty":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(whole[: len(whole) // 2])
        case "link to nowhere":
            path.symlink_to("/nowhere")
    begun, err = train()
    assert not begun
    assert f"{path} " in err


def test_columns_twice_or_of_other_kinds_of_text(folder, train):
    twice = pyarrow.Table.from_arrays([pyarrow.array(GOOD["text"])] * 2 + [GOOD["label"]], ["text", "text", "label"])
    put(folder, twice)
    assert "has a column twice" in train()[1]
    for kind in (pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())):
        put(folder, pyarrow.table({"text": pyarrow.array(GOOD["text"]).cast(kind), "label": GOOD["label"]}))
        assert "train and validation ask for 6 documents, but" in train()[1]  # all of them stand in the test split
        other = {"text": [f"other {text}" for text in GOOD["text"]], "label": GOOD["label"]}
        put(folder, pyarrow.table({"text": pyarrow.array(other["text"]).cast(kind), "label": other["label"]}))
        assert train()[0]


def a_run(**changes) -> RunSpec:
    given = {key: PAGE[key] for key in ("encoder", "window", "training")} | {"data": PAGE["data"][0]}
    return RunSpec.model_validate(given).variant(changes)


@pytest.mark.parametrize(
    "text", ["film " * 200_000, "x" * 1_000_000, "a\x00b great", "", " \n\t", "\u202e\U0001f600", "great . " * 100_000]
)
@pytest.mark.parametrize("method", ["head+tail", "hierarchical max"])
def test_strange_texts_are_trained_on_as_they_are(folder, monkeypatch, text, method):
    if method.startswith("hierarchical") and len(text) > 800_000:
        text = text[: len(text) // 20]  # every piece of it goes through the encoder
    rows = {"text": [text, *(f"other {i}" for i in range(11))], "label": GOOD["label"]}
    put(folder, rows, {"text": [f"{text} test", *GOOD["text"][1:]], "label": GOOD["label"]})
    record = run(a_run(**{"window.method": method, "data.train": 8, "data.test": 12}))
    assert record.outcome == "finished"


def test_a_corpus_of_a_megabyte_in_one_sentence_is_pre_trained_on(folder):
    put(folder, {"text": ["film " * 200_000, *(f"other fun . number {i}" for i in range(11))], "label": GOOD["label"]})
    recipe = {"steps": 2, "batch_size": 4, "length": 16}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "rotten_tomatoes"}], "recipe": recipe})
    assert make_encoder(EncoderSpec(name="tiny").after(stage))


def test_a_corpus_without_a_word_is_told_and_does_not_hang(folder):
    put(folder, {"text": ["\u200b", " ", "\n"] * 4, "label": GOOD["label"]})
    recipe = {"steps": 2, "batch_size": 4, "length": 16}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "rotten_tomatoes"}], "recipe": recipe})
    with pytest.raises(StudyError, match="needs texts with words in them"):
        make_encoder(EncoderSpec(name="tiny").after(stage))


def test_documents_that_are_all_the_same_leave_none_to_train_on(folder, train):
    put(folder, {"text": ["same"] * 12, "label": GOOD["label"]}, {"text": ["Same!"] * 12, "label": GOOD["label"]})
    begun, err = train()
    assert not begun
    assert "train and validation ask for 6 documents, but its copy from the local folder has 12, of which 12 are" in err


def test_nothing_is_trained_before_all_is_checked(folder, call, tmp_path):
    """Two files; the data of the second one's page is broken, so the first one's runs are not made either."""
    put(folder, GOOD | {"text": [f"other {i}" for i in range(12)]})
    layers = {key: PAGE[key] for key in ("encoder", "window", "training")} | {"data": [{"name": "trec", "train": 4}]}
    (tmp_path / "layers.yaml").write_text(yaml.safe_dump(layers))
    (folder.parent / "trec").mkdir()
    (folder.parent / "trec" / "train.parquet").write_text("no parquet")
    status, _, err = call("train", tmp_path / "long_texts.yaml", tmp_path / "layers.yaml")
    assert status == 2
    assert "trec/train.parquet cannot be read as Parquet" in err
    assert not Settings.read().results.exists()


def test_texts_that_are_all_empty_are_told(folder, train):
    put(folder, GOOD | {"text": ["", " "] * 6})
    begun, told = train()
    assert not begun
    assert "rotten_tomatoes, train split from the local folder: all texts are empty" in told


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_stands_for_a_folder_of_data_and_is_none_is_told(folder, train, kind):
    folder.rmdir()
    if kind == "link":
        folder.symlink_to(folder.parent / "moved away")
    else:
        folder.write_text("")
    loading._load_source.cache_clear()
    begun, told = train()
    assert not begun
    assert f"{folder} should be a folder with train.parquet and test.parquet" in told


def test_documents_that_are_tested_on_are_counted_apart(folder, train):
    put(folder, GOOD, GOOD)
    begun, told = train()
    assert not begun
    assert "but its copy from the local folder has 12, of which 12 are tested on" in told
