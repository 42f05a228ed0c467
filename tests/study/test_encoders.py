import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import safetensors.torch

from tcstudy.errors import StudyError
from tcstudy.models.encoder import load_encoder
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, MultitaskSpec, PretrainingSpec, RunSpec
from tcstudy.study.encoders import encoder_records, encoder_store, make_encoder
from tcstudy.study.run import run, run_all

RECIPE = {"steps": 6, "batch_size": 4, "length": 16, "learning_rate": 1e-3}
TASK = {"name": "bbc_news", "train": 20, "validation": 20, "test": 30}


def pretrained(stop=None, **recipe):
    given = {"corpus": [{"name": "bbc_news"}], "recipe": RECIPE | recipe, "stop": stop}
    return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))


def files():
    weights = Settings.read().weights
    return (
        {path.name: path.stat().st_mtime_ns for path in weights.rglob("model.safetensors")} if weights.exists() else {}
    )


def test_a_published_encoder_needs_nothing():
    make_encoder(EncoderSpec(name="tiny"))
    assert not files()


def test_a_run_makes_the_encoder_it_names_once(spec):
    first = run(spec.variant({"encoder": pretrained()}))
    record = encoder_store().get(pretrained())
    assert record.measured.words > 0
    assert record.text.held_out == 12
    assert record.cost.steps == 6
    assert any(name.startswith("cls.predictions") for name in record.provenance.made_new)
    made = files()
    second = run(spec.variant({"encoder": pretrained(), "seed": 1}))
    assert files() == made
    assert first.provenance.encoder_digest == second.provenance.encoder_digest != run(spec).provenance.encoder_digest


def test_stages_build_on_one_another(spec):
    both = pretrained().after(MultitaskSpec.model_validate({"tasks": [TASK], "window": {"length": 16}}))
    record = run(spec.variant({"encoder": both}))
    made = encoder_records([both])
    assert [len(encoder.stages) for encoder in made] == [1, 2]
    assert made[both].measured is None
    assert record.spec.encoder == both


def test_a_recorded_run_needs_no_encoder(spec):
    staged = spec.variant({"encoder": pretrained()})
    run(staged)
    weights = Settings.read().weights
    weights.rename(weights.with_name("away"))
    assert run_all({"a": staged})["a"].id == staged.id
    assert not (Settings.read().weights / staged.encoder.id).exists()


def test_weights_that_were_altered_are_set_aside_and_made_again(spec, capsys):
    make_encoder(pretrained())
    folder = Settings.read().weights / pretrained().id
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    make_encoder(pretrained())
    assert (folder / "model.safetensors").read_bytes() == whole
    assert "set aside, and made again" in capsys.readouterr().err
    assert folder.with_suffix(".damaged").is_dir()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "record.json"])
def test_what_lies_beside_the_weights_is_known_by_its_digest(name, capsys):
    make_encoder(pretrained())
    folder = Settings.read().weights / pretrained().id
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole.replace(b"0", b"1", 1))
    assert make_encoder(pretrained()) == (name != "record.json")  # the record in the store knows the weights too
    told = capsys.readouterr().err
    assert name == "record.json" or f"{folder.name}.damaged holds a different {name} than was made" in told


def test_what_is_set_aside_a_second_time_leaves_the_first_where_it_is():
    folder = Settings.read().weights / pretrained().id
    for content in (b"first", b"second"):
        make_encoder(pretrained())
        (folder / "model.safetensors").write_bytes(content)
    make_encoder(pretrained())
    aside = [folder.with_name(f"{folder.name}.damaged"), folder.with_name(f"{folder.name}.damaged-2")]
    assert [(path / "model.safetensors").read_bytes() for path in aside] == [b"first", b"second"]


def test_a_disk_that_is_too_small_for_weights_is_told_and_nothing_half_made_is_left(small_disk, monkeypatch):
    disk = small_disk("12k")
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(disk))
    with pytest.raises(StudyError, match=r"The disk of .* is full.* set TCSTUDY_WEIGHTS to another folder"):
        make_encoder(pretrained())
    assert [path.name for path in disk.iterdir()] == ["locks"]
    assert encoder_store().get(pretrained()) is None


def test_weights_that_cannot_be_written_are_told(small_disk, monkeypatch):
    disk = small_disk("1m")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(disk))
    with pytest.raises(StudyError, match=r"Encoders cannot be written to .*Read-only file system.*TCSTUDY_WEIGHTS"):
        make_encoder(pretrained())


def test_two_studies_can_share_their_weights(tmp_path, monkeypatch, capsys):
    make_encoder(pretrained())
    made, record = files(), encoder_store().get(pretrained())
    monkeypatch.setenv("TCSTUDY_RESULTS", str(tmp_path / "another study"))
    assert not make_encoder(pretrained())
    assert files() == made
    assert encoder_store().get(pretrained()) == record
    assert not capsys.readouterr().err


def test_a_study_with_weights_of_its_own_leaves_the_record_of_the_first_as_it_is(tmp_path, monkeypatch):
    make_encoder(pretrained())
    path = encoder_store().path(pretrained())
    before = path.read_bytes()
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(tmp_path / "other machine"))
    assert make_encoder(pretrained())
    assert not make_encoder(pretrained())
    assert path.read_bytes() == before


def test_stops_of_one_pre_training_go_on_from_one_another():
    for stop in (2, 4, None):
        make_encoder(pretrained(stop))
    records = encoder_records([pretrained(2), pretrained(4), pretrained()])
    assert [record.cost.steps for record in records.values()] == [2, 4, 6]
    losses = [record.curve.losses for record in records.values()]
    assert losses[0] == losses[2][:2]
    assert losses[1] == losses[2][:4]
    assert pretrained(6) == pretrained()


PROGRAM = """
import sys
from tcstudy.spec import EncoderSpec
from tcstudy.study.encoders import make_encoder
from tcstudy.training import checkpoint

checkpoint.SECONDS = 0.02
make_encoder(EncoderSpec.model_validate_json(sys.argv[1]))
"""


def test_two_processes_that_want_one_encoder_make_it_once():
    command = [sys.executable, "-c", PROGRAM, pretrained(steps=20).model_dump_json()]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(files()) == 1
    assert len(list((Settings.read().results / "encoders").glob("*.json"))) == 1


def test_a_killed_pre_training_goes_on_and_leaves_no_half_folder():
    spec = pretrained(steps=150)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, spec.model_dump_json()])
    state = Settings.read().weights / f"{spec.id}.state"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (Settings.read().weights / spec.id).exists()
    make_encoder(spec)
    record = json.loads((Settings.read().results / "encoders" / f"{spec.id}.json").read_text())
    assert record["cost"]["steps"] == 150
    assert not state.exists()


@pytest.mark.parametrize("changes", [{"mlm": False, "nsp": False}, {"steps": 0}, {"excluding": ["imbd"]}])
def test_a_recipe_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"both be false|greater than or equal|did you mean 'imdb'"):
        pretrained(**changes)


def test_other_weights_in_a_folder_of_ones_own_are_another_encoder(spec, encoders, tmp_path, monkeypatch):
    shutil.copytree(encoders / "tiny", tmp_path / "mine" / "mine")
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "mine"))
    first = spec.variant({"encoder": {"name": "mine"}})
    assert re.fullmatch("[0-9a-f]{12}", first.encoder.revision)
    assert spec.variant({"encoder": {"name": "mine"}}).id == first.id
    assert RunSpec.model_validate_json(first.model_dump_json()) == first  # as a record is read
    weights = tmp_path / "mine" / "mine" / "model.safetensors"
    changed = safetensors.torch.load_file(weights)
    safetensors.torch.save_file({name: 2 * own for name, own in changed.items()}, weights, {"format": "pt"})
    other = spec.variant({"encoder": {"name": "mine"}})
    assert other.id != first.id
    (tmp_path / "mine" / "mine" / "README.md").write_text("# Only a card")
    assert spec.variant({"encoder": {"name": "mine"}}).id == other.id
    with pytest.raises(StudyError, match=f"does not hold the encoder mine at {first.encoder.revision}"):
        load_encoder(first.encoder, 0.0)


def test_the_copy_of_an_encoder_of_the_catalogue_is_known_by_its_name(encoders, tmp_path, monkeypatch):
    shutil.copytree(encoders / "tiny", tmp_path / "mine" / "bert-base-uncased")
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "mine"))
    assert EncoderSpec(name="bert-base-uncased").revision is None
