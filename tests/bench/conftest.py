import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tcstudy.bench.plan import Plan
from tcstudy.bench.results import Timing
from tcstudy.bench.tasks import Task
from tcstudy.bench.worker import perform


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Task, Mapping[str, str]], Timing]:
    """Measures a task in the tests' own process, which need not load the libraries again."""

    def spawn(task: Task, environment: Mapping[str, str]) -> Timing:
        with monkeypatch.context() as changed:
            for name, value in environment.items():
                changed.setenv(name, value)
            return perform(task)

    return spawn


@pytest.fixture
def plan(tmp_path: Path, here: Callable) -> Plan:
    """A quick one with the tiny encoder."""
    folder = tmp_path / "bench"
    folder.mkdir()
    return Plan(encoder="tiny", repetitions=2, quick=True, folder=folder, spawn=here)


@pytest.fixture
def project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's pages, and the current folder in it."""
    root, folder = Path(__file__).parents[2], tmp_path / "project"
    shutil.copytree(root / "book", folder / "book")
    shutil.copytree(root / "params", folder / "params")
    shutil.copy(root / "_toc.yml", folder)
    (folder / "tcstudy").symlink_to(root / "tcstudy")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TCSTUDY_RESULTS")
    return folder
