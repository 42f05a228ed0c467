import hashlib
import json
from pathlib import Path

import pytest
import yaml

from tcstudy import settings
from tcstudy.catalog import encoders
from tcstudy.errors import StudyError
from tcstudy.publish.parameters import read_parameters
from tcstudy.settings import Settings, find_root
from tcstudy.study.results import recorded


def test_root_is_found_from_within_the_book(tmp_path: Path):
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "params").mkdir()
    (tmp_path / "book").mkdir()
    assert find_root(tmp_path / "book") == tmp_path
    assert Settings.read({}, start=tmp_path / "book").results == tmp_path / "_runs"


def test_without_a_project_the_root_is_where_one_is(tmp_path: Path):
    assert find_root(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TCSTUDY_DATA", "nowhere", "TCSTUDY_DATA names .*nowhere, which is not a folder"),
        ("TCSTUDY_ENCODERS", "nowhere", "TCSTUDY_ENCODERS names"),
        ("TCSTUDY_MICRO_BATCH_TOKENS", "many", "is 'many', but should be a number of tokens"),
        ("TCSTUDY_MICRO_BATCH_TOKENS", "0", "is '0', but should be a number of tokens"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path, variable, value, sentence):
    with pytest.raises(StudyError, match=sentence):
        Settings.read({variable: value}, start=tmp_path)


def counted(monkeypatch, module, name):
    """How often a function of a module is called from now on, with what."""
    calls, function = [], getattr(module, name)

    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(module, name, call)
    return calls


def test_tokens_at_once_follow_from_the_device_unless_they_are_set(tmp_path):
    assert Settings.read({}, start=tmp_path).tokens_at_once(on_cpu=True) == 2048
    assert Settings.read({}, start=tmp_path).tokens_at_once(on_cpu=False) == 16_384
    given = Settings.read({"TCSTUDY_MICRO_BATCH_TOKENS": "64"}, start=tmp_path)
    assert given.tokens_at_once(on_cpu=True) == given.tokens_at_once(on_cpu=False) == 64


def test_settings_and_facts_are_read_once_for_a_page_and_identities_counted_once_for_a_run(monkeypatch, tmp_path):
    path = tmp_path / "base_rate.yaml"
    data = [{"name": "bbc_news", "train": 20, "validation": 10, "test": 10}]
    grid = {"learning_rates": [1e-3, 1e-2], "seeds": list(range(40)), "window": {"length": 16}}
    path.write_text(yaml.safe_dump({"profile": "custom", "encoder": {"name": "tiny"}, "data": data} | grid))
    monkeypatch.chdir(tmp_path)
    looks, reads = counted(monkeypatch, settings, "find_root"), counted(monkeypatch, encoders, "_local_facts")
    hashed = counted(monkeypatch, hashlib, "sha256")
    encoders._facts_as_written.cache_clear()
    runs = read_parameters(path).experiment.runs()
    assert recorded(runs) == {}
    assert len(runs) == 80
    assert len(looks) == len(reads) == 1
    described = len(hashed)
    assert [spec.id for spec in runs.values()] == [spec.id for spec in runs.values()]
    assert len(hashed) - described <= len(runs)

    monkeypatch.setenv("TCSTUDY_RESULTS", str(tmp_path / "other"))
    assert Settings.read().results == tmp_path / "other"
    assert len(looks) == 2


def test_facts_are_read_anew_when_they_are_written_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path))
    config = {"model_type": "bert", "hidden_size": 8, "max_position_embeddings": 32, "vocab_size": 100}
    (tmp_path / "mine").mkdir()
    for layers in (2, 12):
        (tmp_path / "mine" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}))
        assert encoders.encoder_facts("mine").layers == layers


def test_a_changed_copy_of_a_description_has_an_identity_of_its_own(spec):
    before = spec.id
    other = spec.model_copy(update={"seed": spec.seed + 1})
    assert other.id == spec.variant({"seed": spec.seed + 1}).id != before
    assert spec.model_copy().id == spec.id == before
    assert spec.model_copy() == spec
