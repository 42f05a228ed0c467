"""Damage to what is kept in the cache, and to the data files it is made of."""

import os
import subprocess

import datasets
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcstudy.corpora import loading
from tcstudy.corpora.kept import check_unchanged, kept_table
from tcstudy.corpora.loading import load_source
from tcstudy.corpora.text import Texts
from tcstudy.encoding.documents import read_documents
from tcstudy.encoding.pretraining import Sentences
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, WindowSpec

ANY = hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = [f"the film was great . number {i} moving fun ." for i in range(40)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path / "cache"))
    loading._load_source.cache_clear()
    yield tmp_path / "cache"
    loading._load_source.cache_clear()


def tokenised(times=1):
    texts = Texts.at(datasets.Dataset.from_dict({"text": TEXTS * times}), np.arange(len(TEXTS) * times))
    documents = Sentences.read(texts, "en", load_vocabulary(EncoderSpec(name="tiny")))
    return [documents[number] for number in range(len(documents))]


def documents(length=16):
    split = datasets.Dataset.from_dict({"text": TEXTS, "label": [number % 2 for number in range(len(TEXTS))]})
    return list(read_documents(split, load_vocabulary(EncoderSpec(name="tiny")), WindowSpec(length=length)))


def altered(content: bytes, place: float, bit: int, cut: bool) -> bytes:
    at = int(place * len(content))
    return content[:at] if cut else content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


@ANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_altered_tokenised_sentences_are_set_aside_and_made_again(cache, place, bit, cut):
    whole = tokenised()
    [path] = (cache / "sentences").glob("*.arrow")
    content = path.read_bytes()
    damaged = altered(content, place, bit, cut)
    path.write_bytes(damaged)
    assert tokenised() == whole
    assert path.read_bytes() == content
    [aside] = (cache / "sentences").glob("*.damaged")
    assert aside.read_bytes() == damaged
    aside.unlink()


def test_what_is_damaged_is_named(cache, capsys):
    tokenised()
    [path] = (cache / "sentences").glob("*.arrow")
    path.write_bytes(b"")
    tokenised()
    assert f"{path.name}.damaged does not have its SHA-256: set aside, made again" in capsys.readouterr().err


def test_what_is_whole_is_not_made_again(cache, small_disk, monkeypatch):
    whole = tokenised()
    disk = small_disk("1m")
    subprocess.run(["cp", "-r", f"{cache}/sentences", str(disk)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setenv("TCSTUDY_CACHE", str(disk))
    assert tokenised() == whole


def test_documents_are_tokenised_once_for_all_windows(cache, monkeypatch):
    whole = documents()
    monkeypatch.setattr(Vocabulary, "encode", lambda *arguments: pytest.fail("tokenised again"))
    assert documents() == whole
    assert [document.length for document in documents(8)] == [document.length for document in whole]
    assert max(document.longest for document in documents(8)) == 8


def test_damaged_token_ids_are_set_aside_and_made_again(cache):
    whole = documents()
    [path] = (cache / "tokens").glob("*.arrow")
    path.write_bytes(path.read_bytes()[:-3])
    assert documents() == whole
    assert len(list((cache / "tokens").glob("*.damaged"))) == 1


def test_what_a_killed_process_left_half_written_is_removed(cache):
    left = cache / "tables" / "x.abc.partial"
    left.mkdir(parents=True)
    kept_table("tables", "x", lambda path: None if left.exists() else write(path))
    assert not left.exists()


def write(path):
    datasets.Dataset.from_dict({"text": ["a"]}).map(lambda row: row, cache_file_name=str(path))


def test_a_full_disk_is_told_and_nothing_half_written_is_used(small_disk, monkeypatch):
    disk = small_disk("12k")
    monkeypatch.setenv("TCSTUDY_CACHE", str(disk))
    with pytest.raises(StudyError, match=r"The disk of .*sentences is full.* set TCSTUDY_CACHE"):
        tokenised(times=20)
    assert not list(disk.rglob("*.arrow*"))


def test_a_cache_that_can_only_be_read_is_told(small_disk, monkeypatch):
    disk = small_disk("64k")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setenv("TCSTUDY_CACHE", str(disk))
    for make in (tokenised, lambda: load_source("bbc_news")):
        with pytest.raises(StudyError, match=r"Tables cannot be written to .*TCSTUDY_CACHE"):
            make()


def test_the_copy_of_a_data_file_is_set_aside_when_it_is_damaged(cache, capsys):
    whole = load_source("bbc_news")
    texts = list(whole.train["text"])
    for path in (cache / "tables").glob("*.arrow"):
        content = path.read_bytes()
        path.write_bytes(content.replace(b"market", b"MARKET"))
    loading._load_source.cache_clear()
    again = load_source("bbc_news")
    assert list(again.train["text"]) == texts
    assert again.train_report == whole.train_report
    assert capsys.readouterr().err.count("set aside, made again") == 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with a set of two classes, of the test's own."""
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "rotten_tomatoes").mkdir(parents=True)
    for part in ("train", "test"):
        texts = [f"{part} text {i} of some words" for i in range(50)]
        split = datasets.Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(50)]})
        split.to_parquet(tmp_path / "data" / "rotten_tomatoes" / f"{part}.parquet")
    return tmp_path / "data" / "rotten_tomatoes"


@ANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_data_file_is_told_or_read_as_it_now_is(folder, place, bit, cut):
    """Bits of a text cannot be told from those that were meant; the digest in every record tells them apart."""
    path = folder / "train.parquet"
    whole = path.read_bytes()
    loading._load_source.cache_clear()
    digest = load_source("rotten_tomatoes").train_report.digest
    path.write_bytes(altered(whole, place, bit, cut))
    os.utime(path, (0, 0))  # a time that says nothing
    loading._load_source.cache_clear()
    try:
        source = load_source("rotten_tomatoes")
        texts = list(source.train["text"])
        same = texts == [f"train text {i} of some words" for i in range(50)] and source.train["label"][:] == [0, 1] * 25
        assert (source.train_report.digest == digest) == same
        assert not cut
    except StudyError as error:
        assert "train" in str(error)
        assert len(str(error).splitlines()) == 1
    finally:
        path.write_bytes(whole)


def test_a_data_file_that_was_exchanged_is_noticed_whatever_its_time(folder):
    path = folder / "train.parquet"
    load_source("rotten_tomatoes")
    times = path.stat()
    datasets.Dataset.from_dict({"text": ["other"] * 4, "label": [0, 1, 0, 1]}).to_parquet(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    loading._load_source.cache_clear()
    assert list(load_source("rotten_tomatoes").train["text"]) == ["other"] * 4


def test_what_was_fetched_of_the_hub_is_known_by_its_digest(cache):
    copy = cache / "arrow" / "owner___name"
    copy.mkdir(parents=True)
    check_unchanged("set-train-0", "one", cache / "arrow", "owner/name")
    check_unchanged("set-train-0", "one", cache / "arrow", "owner/name")
    with pytest.raises(StudyError, match=r"owner___name does not hold what was fetched .* call again"):
        check_unchanged("set-train-0", "another", cache / "arrow", "owner/name")
    assert not copy.exists()
    check_unchanged("set-train-0", "one", cache / "arrow", "owner/name")
    assert Settings.read().cache == cache


def test_a_folder_in_a_tables_place_is_set_aside(cache, capsys):
    make = lambda path: datasets.Dataset.from_dict({"x": [1]}).map(lambda row: row, cache_file_name=str(path))  # noqa: E731
    table = kept_table("tables", "one", make)
    [path] = (cache / "tables").glob("one.*.arrow")
    del table
    path.unlink()
    path.mkdir()
    assert kept_table("tables", "one", make)["x"][:] == [1]
    assert "set aside, made again" in capsys.readouterr().err
