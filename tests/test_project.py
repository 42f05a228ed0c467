"""What holds for the project as a whole."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = {
    name.lower().replace("_", "-"): number
    for name, number in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
}


def test_the_lock_pins_every_version_exactly_and_names_no_address():
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def test_the_lock_satisfies_the_project():
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    for requirement in map(Requirement, wanted):
        if requirement.name != "pip":  # it installs the lock
            assert Version(LOCK[requirement.name]) in requirement.specifier, requirement


def test_the_environment_is_that_of_the_lock():
    different = {name: number for name, number in LOCK.items() if version(name).partition("+")[0] != number}
    assert not different


def test_conda_users_get_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    [python] = [item for item in environment["dependencies"] if str(item).startswith("python=")]
    [pip] = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert Version(python.partition("=")[2]) in Requirement(f"x{PROJECT['requires-python']}").specifier
    assert pip == ["-r requirements.lock", "--no-deps --editable ."]
    assert "pip" in environment["dependencies"]


def loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_loads_no_torch():
    heavy = {"torch", "transformers", "datasets", "pandas", "matplotlib", "papermill"}
    assert not heavy & loaded_by("import tcstudy, tcstudy.cli, tcstudy.spec, tcstudy.experiments")
    assert not {"torch", "transformers", "datasets"} & loaded_by("import tcstudy.study.run, tcstudy.report.stats")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_modules_fit_on_a_few_screens():
    for path in (ROOT / "tcstudy").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 260, path


def test_nothing_heavy_and_no_path_of_a_machine_is_committed():
    for path in tracked():
        content = path.read_bytes()
        assert len(content) <= 500_000, path
        assert not re.search(rb"(?<![\w.~])/(?:home|root|Users|work|opt|mnt)/\w", content), path
