"""What holds for every page: one name in four places, one set of parameters, nothing but experiments in it."""

import ast
import itertools
import re
import shlex
from pathlib import Path

import jupytext
import pytest
import yaml

from tcstudy.catalog.profiles import NAME
from tcstudy.experiments import EXPERIMENTS, without_runs
from tcstudy.publish.parameters import read_all, read_parameters

ROOT = Path(__file__).parents[2]
PROFILE_FOLDERS = sorted(path.name for path in (ROOT / "params").iterdir())
PAGES = sorted(EXPERIMENTS)
ANSWERED = sorted(
    page for page in PAGES if "answers.answer(" in (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
)
"""Pages that answer a question of the study; the others put pages together or are about the tools."""


def code_cells(page: str) -> list:
    return [cell for cell in jupytext.read(ROOT / "book" / f"{page}.md").cells if cell.cell_type == "code"]


def parameters_cell(page: str) -> dict:
    [cell] = [cell for cell in code_cells(page) if "parameters" in cell.metadata.get("tags", [])]
    names: dict = {}
    exec(cell.source, names)
    return {name: value for name, value in names.items() if name != "__builtins__"}


@pytest.mark.parametrize("page", PAGES)
def test_one_name_in_four_places(page):
    assert (ROOT / "book" / f"{page}.md").is_file()
    assert f"book/{page}" in (ROOT / "_toc.yml").read_text()
    if EXPERIMENTS[page].__module__ != without_runs.__name__:
        assert (ROOT / "tests" / "experiments" / f"test_{page}.py").is_file()
        assert EXPERIMENTS[page].__module__ == f"tcstudy.experiments.{page}"


@pytest.mark.parametrize("experiment", [one for one in EXPERIMENTS.values() if one.__module__ == without_runs.__name__])
def test_pages_without_a_module_of_their_own_train_nothing(experiment):
    assert experiment.model_validate({"encoder": {"name": "tiny"}}).runs() == {}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("profile", PROFILE_FOLDERS)
def test_every_profile_has_the_same_valid_keys(page, profile):
    file = read_parameters(ROOT / "params" / profile / f"{page}.yaml")
    assert file.experiment.profile == profile
    assert list(file.values) == list(parameters_cell(page))
    assert set(file.values) == set(EXPERIMENTS[page].model_fields)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("profile", PROFILE_FOLDERS)
def test_what_is_compared_are_variants_of_the_page(page, profile):
    experiment = read_parameters(ROOT / "params" / profile / f"{page}.yaml").experiment
    variants = {key.variant for key in experiment.runs()}
    compared = experiment.compared()
    assert {*compared, *compared.values()} <= variants
    assert not any(variant == other for variant, other in compared.items())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opened_by_hand_has_the_parameters_of_smoke(page):
    assert parameters_cell(page) == yaml.safe_load((ROOT / "params" / "smoke" / f"{page}.yaml").read_text())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_defines_nothing_and_opens_with_what_a_reader_needs(page):
    for cell in code_cells(page):
        assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    assert len(code_cells(page)) <= 10
    cells = jupytext.read(ROOT / "book" / f"{page}.md").cells
    text = " ".join(" ".join(cell.source.split()) for cell in cells)
    assert text.count("**The question.**") == (page != "index")  # the front page answers that of the whole book
    if page not in ANSWERED:  # where it is a line of the answers' fold, which is computed
        assert f"run params/smoke/{page}.yaml" in text


@pytest.mark.parametrize("page", ANSWERED)
def test_a_page_answers_first_and_says_last_how_it_was_made(page):
    cells = jupytext.read(ROOT / "book" / f"{page}.md").cells
    title, summary, question = cells[0].source.split("\n\n")
    assert title.startswith("# ")
    assert len(re.findall(r"[.?!](?:\s|$)", summary)) == 1
    assert question.startswith("**The question.** ")
    parameters, answer, figure = cells[1:4]
    assert "parameters" in parameters.metadata["tags"]
    assert answer.source.splitlines()[-1].startswith("answers.answer(experiment, ")
    assert answer.metadata["tags"] == ["remove-input"]
    if page != "deviations":
        assert "mystnb" in figure.metadata
        assert figure.metadata["tags"] == ["remove-input"]
    assert "display(*provenance.of(experiment" in cells[-1].source
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "**The paper's" in text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[-2:] == ["Exercises", "How this page was made"]


@pytest.mark.parametrize("page", ANSWERED)
def test_the_exercises_of_a_page_can_be_done(page):
    """Two commands, whose files, keys and values are right."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    exercises = text[text.index("\n## Exercises\n") :]
    commands = [shlex.split(line) for line in re.findall(r"^tcstudy run .*$", exercises, re.MULTILINE)]
    assert len(commands) == exercises.count("```{admonition} What to expect, and why\n:class: dropdown") == 2
    for command in commands:
        paths = [ROOT / word for word in command if word.startswith("params/")]
        changes = [change for word, change in itertools.pairwise(command) if word == "--set"]
        assert {file.page for file in read_all(paths, changes)} >= {page}
        assert set(command) - {"--set", *changes, *(str(path.relative_to(ROOT)) for path in paths)} <= {
            "tcstudy",
            "run",
            "--recorded",
        }


def test_every_parameter_file_has_a_profile_and_a_page():
    for path in (ROOT / "params").glob("*/*"):
        assert NAME.fullmatch(path.parent.name)
        assert path.stem in EXPERIMENTS
