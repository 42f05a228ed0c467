"""What holds for the project as a whole."""

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tcstudy

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(project): number for project, number in found}


LOCK, DEVELOPERS = pins("requirements.lock"), pins("requirements-dev.lock")


def needed(requirements: list[str]) -> set[str]:
    """Names of all that `requirements` bring along on this machine, those of what they need included."""
    found: dict[tuple[str, frozenset], None] = {}
    left = [(Requirement(line), ("",)) for line in requirements]
    while left:
        requirement, extras = left.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
        if wanted and key not in found:
            found[key] = None
            own = ("", *requirement.extras)
            left += [(Requirement(line), own) for line in distribution(requirement.name).requires or []]
    return {name for name, _ in found} - {"pip"}  # which installs the lock


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_pin_every_version_exactly_and_name_no_address(name):
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def test_the_locks_satisfy_the_project():
    extras = PROJECT["optional-dependencies"]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *itertools.chain(*extras.values())]):
        if requirement.name != "pip":  # it installs the lock
            assert Version(DEVELOPERS[canonicalize_name(requirement.name)]) in requirement.specifier, requirement
    assert needed(PROJECT["dependencies"]) <= LOCK.keys()
    assert needed([*PROJECT["dependencies"], *itertools.chain(*extras.values())]) <= DEVELOPERS.keys()


def test_readers_get_no_tools_of_developers_and_both_the_same_versions():
    assert LOCK.items() <= DEVELOPERS.items()
    assert not {"pytest", "hypothesis", "ruff", "jupyterlab", "parsl", "statsmodels", "twine"} & LOCK.keys()


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))])
def test_commands_that_need_tools_of_developers_follow_their_installation(path):
    for block in re.findall(r"^```$.*?^```$|^```sh$.*?^```$", path.read_text(), re.MULTILINE | re.DOTALL):
        assert not ("make env" in block and re.search("pytest|--executor|jupyter lab", block))


@pytest.mark.parametrize(("room", "extras"), [("tcstudy", ["cluster", "lora"]), ("tests", ["cluster", "test"])])
def test_every_import_is_declared(room, extras):
    requirements = [
        *PROJECT["dependencies"],
        *(line for extra in extras for line in PROJECT["optional-dependencies"][extra]),
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in requirements}
    homes = packages_distributions()
    for path in (ROOT / room).rglob("*.py"):
        ours = {"tcstudy", "benchmarks", *(module.stem for module in path.parent.glob("*.py"))}
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for top in {name.partition(".")[0] for name in names} - {*ours, *sys.stdlib_module_names}:
                assert {canonicalize_name(home) for home in homes[top]} & declared, (path, top)


def test_the_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == tcstudy.__version__
    assert f"## {tcstudy.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_environment_is_that_of_the_lock():
    different = {name: number for name, number in DEVELOPERS.items() if version(name).partition("+")[0] != number}
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


def test_nothing_heavy_and_no_path_of_a_machine_is_committed():
    for path in tracked():
        content = path.read_bytes()
        assert len(content) <= 500_000, path
        assert not re.search(rb"(?<![\w.~])/(?:home|root|Users|work|opt|mnt)/\w", content), path


def test_the_decision_on_the_book_names_what_only_sphinx_can_do():
    decision = (ROOT / "docs" / "decisions" / "book.md").read_text()
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert all(f"`{name}`" in decision for name in config["sphinx"]["extra_extensions"])
    of_both = {"code-cell", "admonition", "figure", "table", "math", "index", "literalinclude", "bibliography"}
    for path in (ROOT / "book").glob("*.md"):
        used = {*re.findall(r"^ *[`:]{3,}\{([\w:-]+)\}", path.read_text(), re.MULTILINE)}
        assert used <= of_both | ({"eval-rst"} if path.stem == "library" else set()), path


def test_a_container_has_all_that_the_tests_look_at():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ".git" not in ignored  # which knows the project's files, and the commit of records
    assert not {*ignored} & {path.relative_to(ROOT).parts[0] for path in tracked()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built by way of its source archive from the files that git knows."""
    folder = tmp_path_factory.mktemp("build")
    for path in tracked():
        target = folder / "source" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source"]
    subprocess.run(build, check=True, capture_output=True)
    checked = [sys.executable, "-m", "twine", "check", "--strict", *(folder / "dist").iterdir()]
    subprocess.run(checked, check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_carries_all_of_the_package_with_pages_parameters_and_records(wheel):
    names = {name.removeprefix("tcstudy/project/") for name in zipfile.ZipFile(wheel).namelist()}
    for part in ("tcstudy", "book", "params", "results"):
        assert {str(path.relative_to(ROOT)) for path in tracked() if path.relative_to(ROOT).parts[0] == part} <= names
    assert {"_toc.yml", "_config.yml"} <= names


@pytest.mark.slow
def test_outside_a_project_the_installed_package_checks_runs_and_lays_out(wheel, tmp_path):
    """As from an environment that has the wheel and not this checkout."""
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(installed)
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TCSTUDY_")}
    environment |= {"PYTHONPATH": str(installed), "TCSTUDY_CACHE": str(tmp_path / "cache")}

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "tcstudy.cli", *arguments]
        return subprocess.run(
            command, cwd=empty, env=environment, check=True, capture_output=True, text=True, timeout=120
        ).stdout

    assert re.search(r"(\d+) runs, \1 recorded", call("run", "params/mini/long_texts.yaml", "--check"))
    call("init", "mine")
    assert (empty / "mine" / "book" / "long_texts.md").read_bytes() == (ROOT / "book" / "long_texts.md").read_bytes()
    assert "_runs/" in (empty / "mine" / ".gitignore").read_text().splitlines()
    empty = empty / "mine"
    (empty / "params" / "own").mkdir()
    shutil.copy(empty / "params" / "mini" / "speed.yaml", empty / "params" / "own" / "quick one.yaml")
    with (empty / "params" / "own" / "quick one.yaml").open("a") as file:
        file.write("page: speed\n")
    call("run", "params/own")
    assert (empty / "_build" / "pages" / "own" / "quick one.ipynb").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["project", 'it\'s $HOME, (a) "copy"'])
def test_an_environment_whose_project_was_moved_is_made_again(tmp_path, name):
    project = tmp_path / name
    environment = project / ".venv"
    environment.mkdir(parents=True)
    for part in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / part, project)

    def asked() -> str:
        command = ["make", "--no-print-directory", "--dry-run", "env"]  # as a child of make test it would print them
        return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout

    write = asked().splitlines()[-1]  # the path, for the next time
    subprocess.run(["sh", "-c", write], cwd=project, check=True)
    assert (environment / ".installed").read_text() == f"{project.resolve()}\n"
    assert "venv --clear" not in asked()
    (environment / ".installed").write_text("elsewhere\n")
    assert "venv --clear" in asked()
