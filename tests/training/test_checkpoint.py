"""Damage to the state of a training: it is set aside, and training begins anew."""

import errno
import json
import os
import threading
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcstudy.errors import StudyError
from tcstudy.spec import EncoderSpec, PretrainingSpec
from tcstudy.training import checkpoint
from tcstudy.training import checkpoint as module
from tcstudy.training.checkpoint import NOWHERE, Checkpoint, StateFile
from tcstudy.training.devices import make_accelerator
from tcstudy.training.pretrain import pretrain

ANY = hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def training(tmp_path):
    """Makes the checkpoint of a small model at a path of the test's own, its optimiser two updates on."""

    def make(width: int = 3, name: str = "x.state", origin: str = "", frozen: bool = False) -> Checkpoint:
        torch.manual_seed(0)
        model = torch.nn.Linear(width, 2)
        model.bias.requires_grad_(not frozen)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
        for _ in range(2):
            model(torch.ones(width)).sum().backward()
            optimizer.step()
            schedule.step()
        return Checkpoint(StateFile(tmp_path / name, origin), model, optimizer, schedule, make_accelerator())

    return make


def test_a_state_that_is_whole_is_gone_on_from(training):
    saved, fresh = training(), training()
    saved.save(2, {"losses": [0.5, 0.25]})
    with torch.no_grad():
        fresh.model.weight.zero_()
    assert fresh.step() == 2
    assert fresh.restore() == (2, {"losses": [0.5, 0.25]}, {})
    assert torch.equal(fresh.model.weight, saved.model.weight)


def test_tensors_of_the_caller_come_back_and_what_is_not_trained_is_not_written(training):
    saved = training(frozen=True)
    saved.save(2, {}, {"model.best": torch.tensor([1.0, 2.0])})
    assert saved.restore().kept["model.best"].tolist() == [1.0, 2.0]
    with safetensors.safe_open(saved.file.path, framework="pt") as file:
        names = set(file.keys())
    assert {"model.weight", "kept.model.best"} < names
    assert "model.bias" not in names


def test_a_training_that_begins_with_something_else_begins_anew(training, capsys):
    training(origin="these weights").save(2, {})
    assert training(origin="other weights").restore() is None
    assert "that training began with other weights or documents" in capsys.readouterr().err


def test_of_two_that_train_the_same_at_once_the_first_one_saves(training):
    first, second = training(), training()
    first.save(2, {"losses": [0.5]})
    second.save(3, {"losses": [0.5, 0.25]})
    assert training().restore().step == 2
    del first
    second.save(3, {"losses": [0.5, 0.25]})
    assert training().restore().step == 3


def test_what_was_left_half_written_is_removed_unless_it_is_being_written(training, tmp_path):
    training().save(2, {})
    half = tmp_path / "x.state.partial"
    half.touch()
    writer = training()
    writer.save(2, {})  # replaces it
    half.touch()
    assert training().restore().step == 2
    assert half.exists()
    del writer
    assert training().restore().step == 2
    assert not half.exists()


def test_a_training_that_keeps_no_state_is_never_due(training, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    state = training()
    assert state.due
    state.file = NOWHERE
    assert not state.due
    assert state.restore() is None


def test_a_checkpoint_that_holds_training_up_for_long_is_made_less_often(training, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock.now)
    state = training()

    def due_after() -> float:
        saved = clock.now
        while not state.due:
            clock.now += 1
        return clock.now - saved

    for cost, seconds in [(0, 60), (2, 60), (20, 600), (1, 60)]:
        monkeypatch.setattr(StateFile, "write", lambda *arguments, cost=cost: setattr(clock, "now", clock.now + cost))
        state.save(2, {})
        assert due_after() == seconds


@pytest.fixture
def beside(training, monkeypatch):
    """A checkpoint of a training that goes on while the file is written, and what lets it be written."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    may_write, write = threading.Event(), StateFile.write
    monkeypatch.setattr(StateFile, "write", lambda *arguments: may_write.wait(60) and write(*arguments))
    state = training()
    state._beside = True
    yield state, may_write
    may_write.set()


def test_beside_a_training_that_goes_on_the_state_of_the_moment_is_written(beside, training):
    state, may_write = beside
    state.restore()  # as a training does first: the lock is the process's, not a thread's
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    state.save(2, {"losses": [0.5]}, {"best": torch.ones(2)})
    assert not state.due
    with torch.no_grad():
        state.model.weight.add_(1)
    may_write.set()
    state.wait()
    assert state.due
    fresh = training()
    assert fresh.restore().counters == {"losses": [0.5]}
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.model.state_dict().items())


def test_what_cannot_be_written_beside_the_training_is_told_before_it_ends(beside, monkeypatch):
    state, may_write = beside
    monkeypatch.setattr(os, "replace", refused)
    state.save(2, {})
    may_write.set()
    with pytest.raises(StudyError, match="States of trainings cannot be written"):
        state.wait()


@ANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_an_altered_state_is_never_gone_on_from(training, place, bit, cut):
    state = training()
    state.save(2, {"losses": [0.5]})
    content = bytearray(state.file.path.read_bytes())
    at = int(place * len(content))
    content[at] ^= 1 << bit
    state.file.path.write_bytes(content[:at] if cut else content)
    before = state.model.weight.clone()
    damaged = state.file.path.read_bytes()
    assert state.restore() is None
    assert state.step() == 0
    assert torch.equal(state.model.weight, before)
    [aside] = state.file.path.parent.glob("*.damaged*")
    assert aside.read_bytes() == damaged
    aside.unlink()


def test_the_state_of_another_model_is_set_aside(training, capsys):
    training().save(2, {})
    assert training(width=4).restore() is None
    assert "is no state of this training (ValueError: weight has another shape): set aside, training begins anew" in (
        capsys.readouterr().err
    )


def test_a_state_of_a_newer_version_is_refused_and_left_as_it_is(training, monkeypatch):
    state = training()
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    state.save(2, {})
    before = state.file.path.read_bytes()
    monkeypatch.undo()
    with pytest.raises(StudyError, match="by a newer version of this package"):
        state.restore()
    assert state.file.path.read_bytes() == before


def test_a_pickle_is_no_state(training, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    state = training()
    torch.save({"model": Trap()}, state.file.path)
    assert state.restore() is None
    assert not (tmp_path / "sprung").exists()


def test_a_full_disk_keeps_the_state_before(training, small_disk):
    disk = small_disk("8k")
    state = training(name=disk / "x.state")
    state.save(2, {"losses": [0.5]})
    with pytest.raises(StudyError, match=r"The disk of .* is full"):
        state.save(3, {"losses": [0.123456789] * 2000})
    assert state.restore() == (2, {"losses": [0.5]}, {})
    assert [path.name for path in disk.iterdir() if path.is_file()] == ["x.state"]


def refused(*arguments):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_written_is_told(training, monkeypatch):
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(StudyError, match=r"States of trainings cannot be written to .*Read-only.*TCSTUDY_WEIGHTS"):
        training().save(2, {})


def test_a_pre_training_whose_state_is_damaged_ends_in_the_same_weights(tmp_path, capsys):
    recipe = {"steps": 6, "batch_size": 4, "length": 16, "learning_rate": 1e-3}

    def stage(stop=None):
        given = {"corpus": [{"name": "bbc_news"}], "recipe": recipe, "stop": stop}
        return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))

    pretrain(stage(), tmp_path / "whole", tmp_path / "x.state")
    pretrain(stage(stop=3), tmp_path / "part", tmp_path / "y.state")
    content = bytearray((tmp_path / "y.state").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "y.state").write_bytes(content)
    outcome = pretrain(stage(), tmp_path / "again", tmp_path / "y.state")
    assert len(outcome.losses) == 6
    whole, again = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert "y.state.damaged is no state of this training" in capsys.readouterr().err


def test_what_is_written_says_what_it_is(training):
    state = training()
    state.save(2, {})
    with safetensors.safe_open(state.file.path, framework="pt") as file:
        facts = json.loads(file.metadata()["facts"])
    assert (facts["format"], facts["step"]) == (module.FORMAT, 2)
