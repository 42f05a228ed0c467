"""Pages in an editor: what opens and saves them without a change leaves them as they are, and no page becomes stale."""

import shutil
from pathlib import Path

import datasets
import jupytext
import pytest
import yaml
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.freshness import made_from
from tcstudy.publish.parameters import read_parameters
from tcstudy.settings import Settings

BOOK = Path(__file__).parents[2] / "book"


@pytest.mark.parametrize("page", EXPERIMENTS)
def test_a_page_is_stored_as_jupytext_writes_it(page):
    """If not: make format."""
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    assert jupytext.writes(jupytext.reads(text, fmt="md:myst"), fmt="md:myst") == text


def test_opened_executed_and_saved_in_jupyterlab_a_page_is_the_same_bytes(project):
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(project))
    for page in EXPERIMENTS:
        path = project / "book" / f"{page}.md"
        before = path.read_bytes()
        model = manager.get(f"book/{page}.md", type="notebook")
        notebook = model["content"]
        notebook["metadata"]["language_info"] = {"name": "python", "version": "3.11.7", "nbconvert_exporter": "python"}
        for number, cell in enumerate(notebook["cells"], start=1):
            cell["metadata"]["trusted"] = True
            if cell["cell_type"] == "code":
                cell["execution_count"] = number
                cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "shown"}]
        manager.save({"type": "notebook", "format": "json", "content": notebook}, f"book/{page}.md")
        assert path.read_bytes() == before, page


def test_a_page_is_stale_when_its_texts_are_others(project, tmp_path, data, monkeypatch):
    file = read_parameters(project / "params" / "smoke" / "layers.yaml")
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    first = made_from(file, Settings.read())
    path = tmp_path / "data" / "bbc_news" / "train.parquet"
    rows = datasets.Dataset.from_parquet(str(path), keep_in_memory=True, cache_dir=str(tmp_path / "cache")).to_dict()
    assert made_from(file, Settings.read()) == first
    datasets.Dataset.from_dict(rows | {"text": rows["text"][::-1]}).to_parquet(path)
    assert made_from(file, Settings.read()) != first


def test_freshness_is_told_by_cells_and_parameters(project):
    def digest() -> str:
        return made_from(read_parameters(parameters), Settings.read())

    path, parameters = project / "book" / "layers.md", project / "params" / "smoke" / "layers.yaml"
    text, first = path.read_text(), digest()
    path.write_text(
        text.replace("    format_version: 0.13\n", "").replace("tags: [hide-input]", 'tags: ["hide-input"]')
    )
    assert path.read_text() != text
    assert digest() == first
    parameters.write_text(yaml.safe_dump(yaml.safe_load(parameters.read_text())) + "# a comment\n")
    assert digest() == first
    path.write_text(text.replace("# Layers", "# Other layers"))
    assert digest() != first
