"""A training that is broken off after any update, and called again, ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tcstudy.corpora.loading import load_corpus
from tcstudy.models.multitask import CLASSIFIERS
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, MultitaskSpec
from tcstudy.study import run as study
from tcstudy.study.store import Store
from tcstudy.training import checkpoint, finetune, multitask

UPDATES = 10  # of the run `spec`: five in each of two epochs


class Killed(BaseException):
    """Nothing in the package catches it."""


@pytest.fixture(autouse=True)
def _saved_after_every_update(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.fixture
def broken_off(monkeypatch):
    """Within, a training of a module is broken off: so many updates on, when all that belongs to the last is done."""

    @contextmanager
    def broken_off(module, updates, done_with_the_last=True):
        def fit(*arguments):
            for number, step in enumerate(_fit(*arguments), start=1):
                if number == updates and not done_with_the_last:
                    raise Killed
                yield step
                if number == updates:
                    raise Killed

        _fit = module.fit
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(module, "fit", fit)
            yield

    return broken_off


def assert_equal(one, other):
    assert one.losses == other.losses
    assert one.evaluations == other.evaluations
    assert one.points == other.points
    assert (one.best_epoch, one.tokens, one.padded_tokens) == (other.best_epoch, other.tokens, other.padded_tokens)
    assert np.array_equal(one.probabilities, other.probabilities)


def assert_same_tensors(one, other):
    """Of two files: of states these are weights, the best ones, moments of the optimiser and random numbers."""
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "changes",
    [
        {"measures.every": 2},
        {"protocol": "released"},
        {"window.method": "hierarchical self-attention"},
        {"training.frozen": True, "features.reader": "bilstm"},
    ],
    ids=["measured between epochs", "as released", "hierarchical", "bilstm on a frozen encoder"],
)
def test_a_run_that_is_broken_off_after_every_update_ends_the_same(spec, changes, broken_off, tmp_path):
    spec = spec.variant(changes)
    corpus = load_corpus(spec.data)
    whole = finetune.finetune(spec, corpus, tmp_path / "whole.state")
    for _ in range(UPDATES):
        with broken_off(finetune, updates=1):
            finetune.finetune(spec, corpus, tmp_path / "broken.state")
    resumed = finetune.finetune(spec, corpus, tmp_path / "broken.state")
    assert_equal(resumed, whole)
    assert_same_tensors(tmp_path / "broken.state", tmp_path / "whole.state")
    assert_equal(whole, finetune.finetune(spec, corpus))  # one that keeps no state


@pytest.mark.parametrize("updates", range(1, UPDATES + 1))
def test_work_since_the_last_save_is_done_again_and_counted_once(spec, updates, broken_off, tmp_path):
    spec = spec.variant({"measures.every": 1})
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    with broken_off(finetune, updates, done_with_the_last=False):
        finetune.finetune(spec, corpus, state)
    assert_equal(finetune.finetune(spec, corpus, state), finetune.finetune(spec, corpus))


@pytest.mark.parametrize("updates", [5, 7, 10])
def test_the_best_epoch_before_the_interruption_is_kept(spec, updates, broken_off, tmp_path, monkeypatch):
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"

    def flattering(probabilities, labels, step, steps_per_epoch):
        found = _evaluate(probabilities, labels, step, steps_per_epoch)
        return found.model_copy(update={"error": 0.0 if step == 5 else 1.0})

    monkeypatch.setattr(finetune, "evaluate", flattering)
    whole = finetune.finetune(spec, corpus)
    with broken_off(finetune, updates):
        finetune.finetune(spec, corpus, state)
    resumed = finetune.finetune(spec, corpus, state)
    assert resumed.best_epoch == 1
    assert_equal(resumed, whole)


_evaluate = finetune.evaluate


def test_a_run_that_is_broken_off_while_it_is_tested_trains_no_more(spec, tmp_path, monkeypatch):
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    whole = finetune.finetune(spec, corpus, state)
    monkeypatch.setattr(finetune, "cross_entropy_part", lambda *arguments: pytest.fail("trained again"))
    again = finetune.finetune(spec, corpus, state)
    assert_equal(again, whole)


def test_a_run_that_diverges_after_an_interruption_diverges_at_the_same_update(spec, broken_off, tmp_path):
    spec = spec.variant({"training.learning_rate": 1e30, "training.clip_norm": 1e30})
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    whole = finetune.finetune(spec, corpus)
    assert whole.diverged_at > 1
    with broken_off(finetune, updates=1):
        finetune.finetune(spec, corpus, state)
    resumed = finetune.finetune(spec, corpus, state)
    assert (resumed.diverged_at, resumed.losses) == (whole.diverged_at, whole.losses)


def test_seconds_and_memory_before_the_interruption_are_counted(spec, broken_off, tmp_path, monkeypatch):
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    with broken_off(finetune, updates=7), monkeypatch.context() as patched:
        patched.setattr(finetune, "peak_memory", lambda accelerator: 2**60)
        finetune.finetune(spec, corpus, state)
    with safe_open(state, framework="pt") as file:
        counters = json.loads(file.metadata()["facts"])["counters"]
    before = counters["training_seconds"], counters["evaluation_seconds"]
    resumed = finetune.finetune(spec, corpus, state)
    assert resumed.peak_memory_bytes == 2**60
    assert resumed.training_seconds > before[0] > 0
    assert resumed.evaluation_seconds > before[1] > 0


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(("damage", "told"), [(damaged, "its digest is not"), (emptied, "set aside")])
def test_a_state_that_is_not_what_was_written_is_set_aside(spec, damage, told, broken_off, tmp_path, capsys):
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    with broken_off(finetune, updates=7):
        finetune.finetune(spec, corpus, state)
    damage(state)
    assert_equal(finetune.finetune(spec, corpus, state), finetune.finetune(spec, corpus))
    assert told in capsys.readouterr().err
    assert (tmp_path / "x.state.damaged").exists()


@pytest.mark.parametrize(
    "changes", [{"encoder.layers": 1}, {"data": {"name": "rotten_tomatoes", "train": 40, "validation": 20, "test": 30}}]
)
def test_the_state_of_another_run_is_not_gone_on_from(spec, changes, broken_off, tmp_path, capsys):
    state, other = tmp_path / "x.state", spec.variant(changes)
    with broken_off(finetune, updates=7):
        finetune.finetune(other, load_corpus(other.data), state)
    corpus = load_corpus(spec.data)
    assert_equal(finetune.finetune(spec, corpus, state), finetune.finetune(spec, corpus))
    assert "x.state.damaged is no state of this training" in capsys.readouterr().err


TASKS = [
    {"name": "bbc_news", "train": 40, "validation": 20, "test": 30},
    {"name": "rotten_tomatoes", "train": 20, "validation": 20, "test": 30},
]


@pytest.mark.parametrize("sampling", ["proportional", "uniform"])
def test_multi_task_training_that_is_broken_off_after_every_update_ends_the_same(sampling, broken_off, tmp_path):
    training = {"learning_rate": 1e-2, "batch_size": 8, "epochs": 1}
    given = {"tasks": TASKS, "window": {"length": 16}, "training": training, "sampling": sampling}
    encoder = EncoderSpec(name="tiny").after(MultitaskSpec.model_validate(given))
    whole = multitask.train_multitask(encoder, tmp_path / "whole")
    for _ in range(len(whole.losses)):
        with broken_off(multitask, updates=1):
            multitask.train_multitask(encoder, tmp_path / "resumed", tmp_path / "x.state")
    resumed = multitask.train_multitask(encoder, tmp_path / "resumed", tmp_path / "x.state")
    assert resumed.losses == whole.losses
    assert (resumed.tokens, resumed.padded_tokens) == (whole.tokens, whole.padded_tokens)
    for name in ("model.safetensors", CLASSIFIERS):
        assert_same_tensors(tmp_path / "resumed" / name, tmp_path / "whole" / name)


def test_the_state_of_a_run_is_beside_the_weights_until_its_record_is_written(spec, broken_off):
    state = Settings.read().state(spec.id)
    with broken_off(finetune, updates=7):
        study.run(spec)
    assert state.is_file()
    interrupted = study.run(spec)
    assert not state.exists()
    plain = study.run(spec.variant({"measures.every": 2}))  # the same training, measured more often
    assert interrupted.test == plain.test
    assert interrupted.curve.losses == plain.curve.losses


def test_a_short_run_writes_no_state(spec, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 60.0)
    study.run(spec)
    assert not Settings.read().weights.exists()


PROGRAM = """
import sys
from pathlib import Path
from tcstudy.spec import RunSpec
from tcstudy.study.run import run
from tcstudy.study.store import Store
from tcstudy.training import checkpoint, finetune


class Killed(BaseException):
    pass


def broken_off(*arguments):
    for step in fit(*arguments):
        yield step
        if step.number == 7:
            raise Killed


spec, folder = RunSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])
run(spec, Store(folder / "whole"))
checkpoint.SECONDS = 0.0
fit, finetune.fit = finetune.fit, broken_off
try:
    run(spec, Store(folder / "broken"))
except Killed:
    finetune.fit = fit
    run(spec, Store(folder / "broken"))
"""


@pytest.mark.slow
def test_two_processes_go_on_together(spec, tmp_path):
    """Each drops out by random numbers of its own, which one file holds."""
    (tmp_path / "program.py").write_text(PROGRAM)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, str(tmp_path / "program.py"), spec.model_dump_json(), str(tmp_path)]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, timeout=300)
    whole, broken = (Store(tmp_path / name).get(spec) for name in ("whole", "broken"))
    assert broken.provenance.processes == 2
    assert broken.test == whole.test
    assert broken.curve == whole.curve
    assert not Settings.read().state(spec.id).exists()
