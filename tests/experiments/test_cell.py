import subprocess
import sys
import warnings
from pathlib import Path

import jupytext
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tcstudy.errors import StudyError
from tcstudy.experiments import LongTexts
from tcstudy.experiments.cell import parameter_names

DEFAULTS = "encoder = {'name': 'tiny'}\ndata = [{'name': 'imdb'}]\nwindow = {'length': 32}\nseeds = [0]"
PAGE = Path(__file__).parents[2] / "book" / "long_texts.md"


def after(*cells: str) -> dict:
    """The names of a notebook after its cells were executed, in a cell that has just begun."""
    names: dict = {"In": ["", *cells, "LongTexts.here(globals())"]}
    for cell in cells:
        exec(cell, names)
    return names


def test_a_page_is_made_from_the_names_of_its_cells():
    experiment = LongTexts.here(after(DEFAULTS, "# Parameters\nseeds = [1, 2]", "size = 3", "import os"))
    assert experiment.seeds == (1, 2)
    assert experiment.window.length == 32
    assert experiment.profile == "custom"


def test_a_notebook_is_not_warned_of_widgets_that_it_does_not_need():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        LongTexts.here(after(DEFAULTS))
        warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", stacklevel=1)
        warnings.warn("another", stacklevel=1)
    assert [str(one.message) for one in told] == ["another"]


def test_without_a_history_unknown_names_are_those_of_a_program():
    assert LongTexts.here(after(DEFAULTS, "sedes = 1") | {"In": ()}).seeds == (0,)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([DEFAULTS, "# Parameters\nsedes = 0"], "parameters: `sedes` is not a key of LongTexts; did you mean 'seeds'?"),
        (
            [DEFAULTS, "# Parameters\n_seeds = [1]"],
            "parameters: `_seeds` is not a key of LongTexts; did you mean 'seeds'?",
        ),
        ([DEFAULTS.replace("seeds", "sedes")], "parameters: `sedes` is not a key of LongTexts; did you mean 'seeds'?"),
        ([DEFAULTS, "# Parameters\nseeds = 0"], "parameters: seeds: 0 (int) is given; it should be a valid list"),
        (
            [DEFAULTS, "# Parameters\nwindow = {'lenght': 8}"],
            "parameters: window: `lenght` is not a key of WindowSize; did you mean 'length'?",
        ),
        (
            [DEFAULTS, "# Parameters\npage = 'layers'\nseeds = [1]"],
            "these are parameters of the page 'layers', and this is the page 'long_texts'",
        ),
        (["seeds = [0]\ndata = [{'name': 'imdb'}]"], "parameters: encoder is missing"),
    ],
)
def test_a_mistake_in_a_cell_is_one_sentence(cells, sentence):
    with pytest.raises(StudyError) as error:
        LongTexts.here(after(*cells))
    assert str(error.value) == sentence


def test_the_page_itself_may_be_named():
    assert LongTexts.here(after(DEFAULTS, "# Parameters\npage = 'long_texts'")).seeds == (0,)


def test_a_mistake_that_was_mended_is_no_mistake_and_results_are_no_parameters():
    wrong, right = "seeds = [0]\ndatas = []", "seeds = [1]"
    assert parameter_names([wrong, "run()", right, "run()"], ["seeds"]) == ["seeds"]
    assert parameter_names([wrong, "# Parameters\nx = 1", "run()", "records = run()"], ["seeds"]) == [
        "seeds",
        "datas",
        "x",
    ]
    assert parameter_names(["_half = 1\nseeds = [0]"], ["seeds"]) == ["seeds"]


def test_a_notebook_shows_the_sentence_and_no_traceback():
    shell = InteractiveShell.instance()
    shown: list = []
    shell._showtraceback = lambda kind, error, lines: shown.extend(lines)
    shell.run_cell("from tcstudy.errors import StudyError\nraise StudyError('first\\nsecond')")
    assert shown == ["StudyError: first", "StudyError: second"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-p", "sedes", "0"], "`sedes` is not a key of LongTexts; did you mean 'seeds'?"),
        (["-y", "{seeds: [0], window: {lenght: 8}}"], "did you mean 'length'?"),
        (["-f", "one.yaml", "-f", "two.yaml"], "seeds: 'two' (str) is given"),
    ],
)
def test_papermill_by_hand_ends_in_the_sentence(tmp_path, arguments, sentence):
    (tmp_path / "one.yaml").write_text("page: long_texts\nseeds: one\n")
    (tmp_path / "two.yaml").write_text("seeds: two\n")
    jupytext.write(jupytext.read(PAGE), tmp_path / "page.ipynb")
    command = [sys.executable, "-m", "papermill", "page.ipynb", "-", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 1
    cells = nbformat.reads(ended.stdout, as_version=4).cells
    [error] = [output for cell in cells for output in cell.get("outputs", []) if output.output_type == "error"]
    [line] = error.traceback
    assert line.startswith("StudyError: parameters: ")
    assert sentence in line
