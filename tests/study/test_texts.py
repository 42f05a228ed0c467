"""A record is used only for the texts it was made of."""

import shutil

import datasets
import pytest

from tcstudy.corpora.places import Digests, digests_here
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.study import texts
from tcstudy.study.encoders import encoder_store, make_encoder, what_is_wrong
from tcstudy.study.run import run, run_all
from tcstudy.study.store import UNFIT, run_store, tell_once


@pytest.fixture(autouse=True)
def told_anew():
    tell_once.cache_clear()


@pytest.fixture
def permuted(tmp_path, data, monkeypatch):
    """Replaces the data folder by one in which each class of BBC News has the name of the next."""

    def replace():
        folder = tmp_path / "permuted"
        shutil.copytree(data, folder)
        for part in ("train", "test"):
            path = folder / "bbc_news" / f"{part}.parquet"
            split = datasets.Dataset.from_parquet(str(path), keep_in_memory=True, cache_dir=str(tmp_path / part))
            labels = [(label + 1) % 5 for label in split["label"]]
            datasets.Dataset.from_dict({"text": list(split["text"]), "label": labels}).to_parquet(path)
        monkeypatch.setenv("TCSTUDY_DATA", str(folder))

    return replace


def test_a_published_record_is_not_shown_for_other_labels(spec, permuted, tmp_path, capsys):
    published = run(spec)
    (tmp_path / "runs").rename(tmp_path / "published")
    assert run(spec) == published
    permuted()
    assert run_store().get(spec) is None
    made = run_all({"a run": spec})["a run"]
    assert made.data.train.digest != published.data.train.digest
    assert (made.test.labels.unpack() != published.test.labels.unpack()).any()
    told = capsys.readouterr().err
    assert (
        f"the record {spec.id} is not used: it was made with other training texts of BBC News than this machine has"
        in told
    )
    assert told.count("is not used") == 1
    assert run(spec) == made


def test_an_own_record_of_other_texts_is_kept_beside_the_new_one(spec, permuted):
    before = run(spec)
    permuted()
    after = run(spec)
    assert after != before
    folder = run_store().folder
    assert [path.name for path in folder.glob(f"*{UNFIT}")] == [f"{spec.id}{UNFIT}"]
    assert run_store().read(folder / f"{spec.id}{UNFIT}") == before


def test_where_the_texts_are_not_a_record_stands_for_itself(spec, tmp_path, monkeypatch):
    record = run(spec)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "elsewhere"))
    assert digests_here("bbc_news") is None
    assert run_store().get(spec) == record


def test_a_record_of_all_general_text_is_used_where_only_a_part_of_it_is_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "digests_here", lambda name: Digests("summaries", "summaries"))
    texts._digests.cache_clear()
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))
    of_all = {"general": Digests("books and summaries", "books and summaries")}
    assert texts.other_texts(of_all) is None
    (tmp_path / "general").mkdir()
    told = "made with other training texts of general text than this machine has"
    assert texts.other_texts(of_all) == told
    texts._digests.cache_clear()


def test_an_encoder_is_made_again_of_other_texts_and_so_are_its_runs(spec, permuted):
    recipe = {"steps": 3, "batch_size": 4, "length": 16}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "bbc_news"}], "recipe": recipe})
    encoder = EncoderSpec(name="tiny").after(stage)
    ours = spec.variant({"encoder": encoder, "data": {"name": "rotten_tomatoes", "train": 20, "validation": 10}})
    before = run(ours)
    assert what_is_wrong(encoder, encoder_store().get(encoder)) is None
    permuted()
    assert run_store().get(ours) is None
    assert encoder_store().get(encoder) is None
    assert "other training texts" in what_is_wrong(encoder, None)
    assert make_encoder(encoder)
    assert run(ours).data == before.data
    assert encoder_store().get(encoder).text.sets[0].digest == digests_here("bbc_news").train


def test_digests_are_read_once_for_each_file(monkeypatch):
    found = digests_here("bbc_news")
    kept = [path for path in (Settings.read().cache / "digests").iterdir() if path.name.startswith("bbc_news-")]
    assert found.train in {path.read_text() for path in kept}
    monkeypatch.setattr("tcstudy.corpora.loading.load_source", None)
    assert digests_here("bbc_news") == found


def test_tasks_and_general_text_are_read_too(spec, permuted):
    task = {"name": "bbc_news", "train": 20, "validation": 10}
    stage = MultitaskSpec.model_validate({"tasks": [task], "window": {"length": 12}, "training": {"epochs": 1}})
    encoder = EncoderSpec(name="tiny").after(stage)
    data = {"name": "rotten_tomatoes", "train": 20, "validation": 10}
    ours = spec.variant({"encoder": encoder, "data": data})
    record = run(ours)
    assert {*record.read} == {"bbc_news", "rotten_tomatoes"}
    assert record.read["bbc_news"] == digests_here("bbc_news")
    permuted()
    assert run_store().get(ours) is None
    assert not run_store().usable(ours)
    assert encoder_store().get(encoder) is None
