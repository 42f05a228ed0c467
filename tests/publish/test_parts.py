import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish import parts
from tcstudy.publish.freshness import what_is_missing
from tcstudy.publish.pages import pages_folder
from tcstudy.publish.parameters import read_parameters
from tcstudy.publish.parts import own_text, page_names
from tcstudy.publish.site import assemble
from tcstudy.report import effect_figures, figures
from tcstudy.settings import Settings
from tcstudy.study.run import run_all

ROOT = Path(__file__).parents[2]
MODULES = {"figures": figures, "effect_figures": effect_figures}
TEXT = "# A page\n\n{numref}`tab-x` and {doc}`layers` and {doc}`method`"
CSV = "a,n\n–,1\n"
OUTPUT = "````{table} A table\n:name: tab-x\n\n| a |\n| --- |\n````"


@pytest.fixture
def published(project):
    """A project with parameters for the published study, whose records are in place for one page only."""
    mini = project / "params" / "mini"
    mini.mkdir()
    for path in (project / "params" / "smoke").iterdir():
        (mini / path.name).write_text(path.read_text().replace("profile: smoke", "profile: mini"))
    return project


def executed(project, profile: str, page: str) -> None:
    """An executed notebook as papermill would leave it."""
    table = nbformat.v4.new_output("display_data", data={"text/markdown": OUTPUT, "text/csv": CSV})
    code = nbformat.v4.new_code_cell("1", outputs=[table])
    code.metadata["mystnb"] = {"figure": {"name": "fig-x", "caption": "A figure."}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(TEXT), code])
    notebook.metadata |= {"papermill": {"input_path": "somebody/page.ipynb"}, "kernelspec": {"name": "python3"}}
    code.metadata["papermill"] = {"duration": 1.0}
    folder = pages_folder(Settings.read(), profile)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{page}.ipynb")


def test_a_page_lacks_what_is_not_recorded_until_it_is(published):
    layers = read_parameters(published / "params" / "mini" / "layers.yaml").experiment
    runs = layers.runs()
    assert what_is_missing(layers) == f"0 of its {len(runs)} runs are recorded"
    first = dict(list(runs.items())[:1])
    run_all(first)
    assert what_is_missing(layers) == f"1 of its {len(runs)} runs are recorded"
    run_all(runs)
    assert what_is_missing(layers) is None


def test_with_recorded_only_nothing_is_trained_and_what_is_left_out_is_told(published, call):
    ended = call("run", "params/mini", "--recorded", "--check")
    assert ended.status == 0
    assert "layers is left out: 0 of its " in ended.err
    assert "params/mini/layers.yaml" not in ended.out
    assert "params/mini/verdicts.yaml: valid; 0 runs" in ended.out
    assert not Settings.read().results.exists()


def test_a_page_lacks_texts_that_are_not_on_this_machine(published):
    path = published / "params" / "mini" / "datasets.yaml"
    path.write_text(path.read_text().replace("rotten_tomatoes", "imdb"))
    assert what_is_missing(read_parameters(path).experiment) == "imdb is not on this machine"


def test_the_published_study_is_the_main_part_and_ones_own_run_stands_below(published):
    for page in EXPERIMENTS:
        executed(published, "smoke", page)
        if not read_parameters(published / "params" / "mini" / f"{page}.yaml").experiment.runs():
            executed(published, "mini", page)
    folder = assemble(Settings.read(), "smoke") / "book"

    substitute = (folder / "layers.md").read_text()
    assert substitute.startswith("# Layers")
    assert "0 of its" in substitute
    assert "{doc}`own/layers`" in substitute
    assert not (folder / "layers.ipynb").exists()
    assert "profile: mini" in (folder / "sources" / "cost.yaml.txt").read_text()
    assert "profile: smoke" in (folder / "own" / "sources" / "cost.yaml.txt").read_text()

    main, own = (nbformat.read(place / "cost.ipynb", as_version=4).cells for place in (folder, folder / "own"))
    assert (main[0].source, main[1].outputs[0].data["text/markdown"]) == (TEXT, OUTPUT)
    assert own[0].source == "# A page (your run)\n\n{numref}`own-tab-x` and {doc}`layers` and {doc}`../method`"
    assert ":name: own-tab-x\n" in own[1].outputs[0].data["text/markdown"]
    assert own[1].metadata["mystnb"]["figure"]["name"] == "own-fig-x"
    for place in (folder, folder / "own"):  # downloads tell nothing of the machine
        assert "papermill" not in (place / "cost.ipynb").read_text()
        assert nbformat.read(place / "cost.ipynb", as_version=4).metadata == {"kernelspec": {"name": "python3"}}

    for place, notebook in ((folder, main), (folder / "own", own)):
        link = notebook[1].outputs[1].data["text/markdown"]
        assert link == "<small>{download}`CSV <sources/cost-tab-x.csv>`</small>"
        assert (place / "sources" / "cost-tab-x.csv").read_text(encoding="utf-8-sig") == CSV
        assert "text/csv" not in notebook[1].outputs[0].data
        assert "`as a notebook <cost.ipynb>`" in notebook[-1].source

    contents = yaml.safe_load((folder.parent / "_toc.yml").read_text())
    [chapter] = contents["parts"][-1]["chapters"]
    listed = {section["file"].rpartition("/")[2] for section in chapter["sections"]}
    assert listed == set(EXPERIMENTS) - {"index"}
    assert not (folder / "own" / "index.ipynb").exists()


def test_without_a_published_study_ones_own_pages_are_the_book(project):
    for page in EXPERIMENTS:
        executed(project, "smoke", page)
    folder = assemble(Settings.read(), "smoke") / "book"
    assert all((folder / f"{page}.ipynb").exists() for page in EXPERIMENTS)
    assert not (folder / "own").exists()


SWEEP = {"slow": {"learning_rate": 0.001}, "fast": {"learning_rate": 0.01}}


def test_several_files_of_one_page_are_own_pages_with_a_table_across_them(published):
    sweep = published / "my sweep"
    sweep.mkdir()
    layers = yaml.safe_load((published / "params" / "smoke" / "layers.yaml").read_text()) | {"page": "layers"}
    del layers["profile"]
    for name, training in SWEEP.items():
        values = layers | {"training": layers["training"] | training}
        (sweep / f"{name}.yaml").write_text(yaml.safe_dump(values))
        executed(published, "my sweep", name)
    run_all(read_parameters(sweep / "slow.yaml").experiment.runs())
    for page in EXPERIMENTS:
        if not read_parameters(published / "params" / "mini" / f"{page}.yaml").experiment.runs():
            executed(published, "mini", page)
    folder = assemble(Settings.read(), "my sweep") / "book" / "own"

    assert sorted(path.stem for path in folder.glob("*.ipynb")) == ["fast", "slow"]
    cells = nbformat.read(folder / "slow.ipynb", as_version=4).cells
    assert cells[0].source == (
        "# A page: slow (your run)\n\n{numref}`own-slow-layers-tab-x` and {doc}`../layers` and {doc}`../method`"
    )
    front = (folder / "index.md").read_text()
    assert "by the parameter files of my sweep." in front
    rows = [line.split(" | ") for line in front.splitlines() if line.startswith("| {doc}`slow <slow>` | ")]
    assert [row[1:4] for row in rows][2:] == [["1e-3", "BBC News", "all mean"], ["1e-3", "BBC News", "pooler"]]
    assert all(re.fullmatch(r"\d+\.\d% \(\d+\.\d–\d+\.\d\) \|", row[4]) for row in rows)
    assert "| {doc}`fast <fast>` | 0.01 | – | – | not recorded yet |" in front
    assert "training.learning\\_rate" in front
    assert "profile" not in front.splitlines()[6]


def test_files_of_any_name_have_plain_and_different_names_in_the_book(tmp_path):
    text = "page: datasets\nencoder: {name: tiny}\ndatasets: [imdb]\n"
    paths = [tmp_path / f"{name}.yaml" for name in ("é", "è", "index", "datasets", "a b")]
    for path in paths:
        path.write_text(text)
    names = page_names([read_parameters(path) for path in paths])
    assert names == ["_", "_-2", "index-2", "datasets", "a_b"]


def test_a_page_that_could_be_shown_and_was_not_run_is_told(published):
    for page in EXPERIMENTS:
        executed(published, "smoke", page)
    with pytest.raises(
        StudyError, match=r"datasets was not run with params/mini/datasets.yaml: tcstudy run params/mini --recorded"
    ):
        assemble(Settings.read(), "smoke")


@pytest.mark.parametrize("page", sorted(set(EXPERIMENTS) - {"index"}))
def test_no_label_of_a_page_stands_in_both_parts(page):
    text = (Path(__file__).parents[2] / "book" / f"{page}.md").read_text(encoding="utf-8")
    labels, own = (set(re.findall(r"^:(?:name|label): (\S+)|^\((\S+)\)=$", of, re.M)) for of in (text, own_text(text)))
    assert len(labels) == len(own)
    assert not labels & own


def test_a_reference_to_an_equation_follows_its_label():
    text = "```{math}\n:label: rate\nx\n```\n{eq}`rate`"
    assert own_text(text) == "```{math}\n:label: own-rate\nx\n```\n{eq}`own-rate`"


def test_text_without_links_and_labels_is_the_same_in_both_parts():
    assert own_text(plain := "No `name: x`, no {cite:t}`sun2019finetune`.") == plain


def test_a_figure_has_its_finding_as_alternative_text_and_leads_to_itself():
    drawing = figures.lines({}, figures.RATE, figures.TEST_ERROR)
    data, metadata = drawing._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", data=data, metadata=metadata)
    code = nbformat.v4.new_code_cell("1", outputs=[output], metadata={"mystnb": {"figure": {"name": "fig-x"}}})
    notebook = parts._published(nbformat.v4.new_notebook(cells=[code]), "layers")
    image = notebook.cells[0].metadata["mystnb"]["image"]
    assert image == {"alt": drawing.finding, "width": f"{96 * figures.WIDTH:.0f}px"}  # Sphinx links what has a width


@pytest.mark.parametrize("page", sorted((ROOT / "book").glob("*.md")), ids=lambda path: path.stem)
def test_every_figure_of_a_page_says_a_finding_that_was_computed(page):
    for cell in jupytext.read(page).cells:
        told = cell.metadata.get("mystnb", {})
        assert "alt" not in told.get("image", {})
        if "figure" in told:
            last = ast.parse(cell.source).body[-1]
            called = [node.func for node in ast.walk(last) if isinstance(node, ast.Call)]
            kinds = [
                getattr(vars(MODULES[of.value.id])[of.attr], "__annotations__", {})
                for of in called
                if isinstance(of, ast.Attribute) and getattr(of.value, "id", "") in MODULES
            ]
            assert any(kind.get("return") in (figures.Drawing, "Drawing") for kind in kinds), cell.source
