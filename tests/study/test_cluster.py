"""Slurm for real, through the configuration that the book shows; nothing here stands in for anything."""

import contextlib
import os
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import psutil
import pytest
import yaml

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PROGRAM = Path(sysconfig.get_path("scripts")) / "tcstudy"
CONFIGURATION = Path(__file__).parents[2] / "book" / "cluster" / "slurm.py"
PLACE = {"JOBS": "2", "GPUS": "0", "CORES": "1", "MINUTES": "10", "ADDRESS": "127.0.0.1", "PULSE": "2"}

COMMON = {
    "profile": "smoke",
    "encoder": {"name": "tiny"},
    "data": [{"name": "bbc_news", "train": 60, "validation": 20, "test": 40}],
    "window": {"length": 8},
    "protocol": "clean",
}
SMALL = COMMON | {
    "stops": [0, 100, 200],
    "pretraining": {"steps": 200, "batch_size": 8, "length": 16},
    "training": {"learning_rate": 1e-3, "batch_size": 8, "epochs": 80},
    "seeds": list(range(8)),
}
MANY = COMMON | {
    "learning_rates": [1e-2],
    "training": {"batch_size": 8, "epochs": 2},
    "seeds": list(range(200)),
}


class Study:
    """A parameter file in a folder, and the commands that make and check its records there."""

    def __init__(self, folder: Path, slurm, page: str, parameters: dict) -> None:
        self.folder, self.file = folder, f"{page}.yaml"
        self.results, self.log = folder / "cluster", folder / "log.txt"
        (folder / self.file).write_text(yaml.safe_dump(parameters))
        self.environment = os.environ | slurm.environment | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        self.environment |= {f"TCSTUDY_SLURM_{name}": value for name, value in PLACE.items()}

    def begin(self, *arguments: object, place: str = "cluster") -> subprocess.Popen:
        own = {"TCSTUDY_RESULTS": str(self.folder / place), "TCSTUDY_WEIGHTS": str(self.folder / f"{place}-weights")}
        with self.log.open("a") as log:
            return subprocess.Popen(
                [PROGRAM, *arguments], cwd=self.folder, env=self.environment | own, stdout=log, stderr=log
            )

    def begin_on_slurm(self) -> subprocess.Popen:
        return self.begin("train", self.file, "--executor", f"parsl:{CONFIGURATION}")

    def is_whole(self) -> bool:
        """Whether all records and encoders are what was written, and none was set aside."""
        aside = list(self.folder.glob("cluster*/**/*.damaged*"))
        return not aside and self.begin("results", "verify").wait(120) == 0

    def is_as_inline(self) -> bool:
        """Whether the predictions are those of runs made one after the other in one process."""
        assert self.begin("train", self.file, place="inline").wait(400) == 0
        return self.begin("results", "compare", self.results, self.folder / "inline").wait(120) == 0

    def records(self) -> int:
        return len(list(self.results.glob("*.json")))

    def said(self, words: str) -> int:
        return self.log.read_text().count(words)

    def at_work(self) -> dict[int, str]:
        """What each process is making, by the locks that the system says it holds."""
        names = {lock.stat().st_ino: lock.name for lock in self.results.glob("locks/*")}
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" not in line]
        held = [(int(row[4]), int(row[5].rpartition(":")[2])) for row in rows]
        return {pid: names[inode] for pid, inode in held if inode in names}

    def training(self) -> psutil.Process:
        """A worker that has made a run before, and has been making another one for a second."""
        first: dict[int, str] = {}
        for _ in range(600):
            time.sleep(0.1)
            for pid, run in self.at_work().items():
                if first.setdefault(pid, run) != run:
                    time.sleep(1)
                    if self.at_work().get(pid) == run:
                        return psutil.Process(pid)
                    first[pid] = run
        return pytest.fail("nothing was trained for a minute")


def test_a_study_ends_well_whatever_is_killed_meanwhile(slurm, tmp_path):
    study = Study(tmp_path, slurm, "within_task", SMALL)
    driver = study.begin_on_slurm()
    slurm.wait_for("both nodes at work", lambda: len(study.at_work()) == 2, 90)

    study.training().kill()
    slurm.wait_for("the loss of a worker", lambda: study.said("a worker was lost") >= 1, 60)

    slurm.wait_for("both nodes at work", lambda: len(study.at_work()) == 2, 60)
    slurm.ask("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=test")
    slurm.ask("scancel", *(job for job, node in slurm.jobs().items() if node == "n2"))
    slurm.wait_for("the loss of a block", lambda: study.said("a worker was lost") >= 2, 60)
    slurm.wait_for("an empty node", lambda: slurm.states()["n2"] == "drained", 60)
    before = study.records()
    slurm.wait_for("the node that is left", lambda: study.records() > before, 60)
    assert "n2" not in slurm.jobs().values()
    slurm.ask("scontrol", "update", "NodeName=n2", "State=RESUME")
    slurm.wait_for("a new block", lambda: "n2" in slurm.jobs().values(), 60)

    study.training()
    driver.kill()
    driver.wait()
    slurm.wait_for("the end of all processes", lambda: not slurm.processes() and not slurm.jobs(), 120)
    kept = study.records()
    assert 0 < kept < 24
    assert study.is_whole()

    assert study.begin_on_slurm().wait(400) == 0
    assert study.records() == 24
    assert study.said(f"24 runs: {24 - kept} made, {kept} loaded") == 1
    slurm.wait_for("the end of all processes", lambda: not slurm.processes() and not slurm.jobs(), 30)
    assert study.is_whole()
    assert study.is_as_inline()


def test_two_hundred_runs_are_right_though_a_worker_is_killed_every_ten_seconds(slurm, tmp_path):
    study = Study(tmp_path, slurm, "base_rate", MANY)
    driver = study.begin_on_slurm()
    slurm.wait_for("both nodes at work", lambda: len(study.at_work()) == 2, 90)
    killed = 0
    while driver.poll() is None and killed < 50:
        for pid in sorted(study.at_work())[killed % 2 :][:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(10)
    assert driver.wait(60) == 0
    assert killed >= 2
    assert study.said("a worker was lost") >= 2
    assert study.records() == 200
    assert study.is_whole()
    assert study.is_as_inline()
