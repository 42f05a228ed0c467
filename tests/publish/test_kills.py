"""Killed at twenty random moments, a study ends in the same records, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from tcstudy.settings import Settings
from tcstudy.study.encoders import EncoderRecord, encoder_store
from tcstudy.study.record import Record
from tcstudy.study.store import Store

pytestmark = pytest.mark.slow

FILE = "params/smoke/multitask.yaml"
COMMAND = [sys.executable, "-m", "tcstudy.cli"]
KILLS = {
    "training": 5,
    "evaluation": 3,
    "checkpoint writing": 4,
    "record writing": 2,
    "encoder writing": 1,
    "multi-task training": 1,
    "pre-training": 2,
}


@pytest.fixture
def study(project: Path) -> Path:
    """A project whose page on multi-task fine-tuning makes eight runs and three encoders, in seconds."""
    path = project / FILE
    values = yaml.safe_load(path.read_text())
    training = {"batch_size": 8, "epochs": 3, "learning_rate": 0.01}
    names = ("training", "multitask_training", "later_training")
    pretraining = values["pretraining"] | {"steps": 8, "learning_rate": 0.01}
    path.write_text(yaml.safe_dump(values | dict.fromkeys(names, training) | {"pretraining": pretraining}))
    return project


@pytest.fixture
def call(study: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Calls `tcstudy train` in a process that dies at the first of some moments; how it ended, and its moments."""
    monkeypatch.setenv("TCSTUDY_MICRO_BATCH_TOKENS", "64")  # several micro-batches to an evaluation
    program = Path(__file__).with_name("dying.py")
    server = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(die: Sequence[str] = ()) -> tuple[int, list[str]]:
        environment = {name: os.environ[name] for name in ("TCSTUDY_RESULTS", "TCSTUDY_WEIGHTS")}
        asked = {
            "arguments": ["train", FILE],
            "environment": environment | {"LOG": str(study / "log")},
            "die": list(die),
        }
        print(json.dumps(asked), file=server.stdin, flush=True)
        answer = json.loads(server.stdout.readline())
        return answer["status"], answer["moments"]

    yield call
    server.stdin.close()
    server.wait(timeout=60)


def use_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCSTUDY_RESULTS", str(folder / "runs"))
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(folder / "weights"))


def outcomes() -> dict[str, tuple]:
    """All that has to be the same in every study: predictions and curves, weights of encoders."""
    found: dict[str, tuple] = {}
    for kind, store in ((Record, Store(Settings.read().results)), (EncoderRecord, encoder_store())):
        for path in store.paths():
            record = store.read(path)
            if kind is Record:
                found[record.id] = record.test, record.curve, record.best_epoch, record.cost.tokens
            else:
                found[record.id] = record.weights, record.files, record.curve, record.measured
    return found


def drawn(moments: list[str], generator: np.random.Generator) -> set[str]:
    """As many moments of each kind as `KILLS` says."""
    chosen: set[str] = set()
    for kind, number in KILLS.items():
        of_kind = [moment for moment in moments if moment.startswith(kind)]
        chosen.update(generator.choice(of_kind, number, replace=False).tolist())
    return chosen


def test_killed_at_random_moments_of_every_kind_training_ends_in_the_same_records(call, tmp_path, monkeypatch):
    use_folders(tmp_path / "first", monkeypatch)
    assert call()[0] == 0  # what is kept for all studies, such as digests of texts, is written now and never again
    use_folders(tmp_path / "whole", monkeypatch)
    status, moments = call()
    assert status == 0
    whole = outcomes()
    assert len(whole) == 8 + 3
    assert len(set(moments)) == len(moments)

    use_folders(tmp_path / "killed", monkeypatch)
    left = drawn(moments, np.random.default_rng(0))
    assert len(left) == sum(KILLS.values())
    while left:
        status, moments = call(sorted(left))
        assert (status, moments[-1] in left) == (signal.SIGKILL, True)
        left.remove(moments[-1])
    assert call()[0] == 0
    assert outcomes() == whole

    settings = Settings.read()
    names = [path.name for folder in (settings.results, settings.weights) for path in folder.rglob("*")]
    assert not [name for name in names if ".damaged" in name]
    assert call() == (0, [])  # everything is there


def kernels(folder: Path) -> list[psutil.Process]:
    """Kernels of the study in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if "ipykernel_launcher" in process.cmdline():
                found += [process] * (process.environ().get("TCSTUDY_RESULTS", "").startswith(str(folder)))
        except psutil.Error:
            continue
    return found


def wait_for(there: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_while_papermill_executes_it_a_page_ends_in_the_same_records(study, call, tmp_path, monkeypatch):
    use_folders(tmp_path / "whole", monkeypatch)
    assert call()[0] == 0
    whole = outcomes()
    last = len(Store(Settings.read().results).paths()) - 1

    use_folders(tmp_path / "killed", monkeypatch)
    records, generator = Store(Settings.read().results), np.random.default_rng(0)
    for victim in ("kernel", "command"):  # in this order, since a kernel left alone makes records until it notices
        wanted = min(len(records.paths()) + int(generator.integers(1, 4)), last)
        command = subprocess.Popen([*COMMAND, "run", FILE], stderr=subprocess.DEVNULL)
        wait_for(lambda enough=wanted: len(records.paths()) >= enough)
        time.sleep(generator.uniform(0, 0.2))
        if victim == "command":
            command.kill()
            assert command.wait() == -signal.SIGKILL
            wait_for(lambda: not kernels(tmp_path))  # each notices by itself that it is alone
        else:
            [kernel] = kernels(tmp_path)
            kernel.kill()
            assert command.wait(timeout=120) == 1
        assert not (study / "_build" / "pages" / "smoke" / "multitask.ipynb").exists()
    assert subprocess.run([*COMMAND, "run", FILE], check=False, capture_output=True, timeout=300).returncode == 0
    assert outcomes() == whole
    assert (study / "_build" / "pages" / "smoke" / "multitask.ipynb").exists()
    assert not kernels(tmp_path)
