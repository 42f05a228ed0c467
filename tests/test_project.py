"""What holds for the project as a whole."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = {
    name.lower().replace("_", "-"): number
    for name, number in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
}

DISTRIBUTIONS = packages_distributions()


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
    heavy = {"torch", "transformers", "datasets", "parsl"}
    assert not heavy & loaded_by("import tcstudy.study.run, tcstudy.report.stats")


def imported(path: Path) -> set[str]:
    """The libraries that a module imports, wherever in it, as the package index calls them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    modules = {name.partition(".")[0] for name in found} - {*sys.stdlib_module_names, "tcstudy", "benchmarks"}
    return {canonicalize_name(DISTRIBUTIONS[name][0]) for name in modules}


@pytest.mark.parametrize("folder", ["tcstudy", "benchmarks", "tests"])
def test_every_import_is_declared(folder):
    extras = PROJECT["optional-dependencies"]
    for path in (ROOT / folder).rglob("*.py"):
        wanted = [*PROJECT["dependencies"], *(extras["test"] if folder == "tests" else [])]
        if path == ROOT / "tcstudy" / "study" / "parsl.py":
            wanted += extras["cluster"]
        assert imported(path) <= {canonicalize_name(Requirement(line).name) for line in wanted}, path


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_nothing_heavy_and_no_path_of_a_machine_is_committed():
    for path in tracked():
        content = path.read_bytes()
        assert len(content) <= 500_000, path
        assert not re.search(rb"(?<![\w.~])/(?:home|root|Users|work|opt|mnt)/\w", content), path
