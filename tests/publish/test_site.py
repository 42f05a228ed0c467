import re
import subprocess

import nbformat
import pytest
import yaml

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.pages import pages_folder
from tcstudy.publish.parts import OWN
from tcstudy.publish.site import assemble, build_book
from tcstudy.settings import Settings

FOREIGN = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*", re.IGNORECASE
)


@pytest.mark.slow
def test_the_book_is_built_strictly_and_asks_nothing_of_the_network(site):
    for folder, pages in (("book", ("index", "method", "bibliography", *EXPERIMENTS)), (f"book/{OWN}", EXPERIMENTS)):
        for page in pages:
            text = (site / folder / f"{page}.html").read_text()
            assert not FOREIGN.findall(text)
            assert "cdn" not in text.lower()
    page = (site / "book" / OWN / "long_texts.html").read_text()
    assert "Profile smoke: no evidence" in page
    assert "This page was run with" in page
    assert "injected-parameters" not in page
    assert "runs: " not in page  # progress lines
    assert page.count('class="reference internal" href="#own-fig-long-texts-length"') == 1
    assert (site / "_static" / "mathjax" / "tex-chtml.js").exists()
    sources = list((site / "_downloads").rglob("*.txt"))
    assert {path.name for path in sources} >= {"long_texts.md.txt", "long_texts.yaml.txt", "long_texts.py.txt"}


def test_a_page_that_was_not_run_is_told(project):
    with pytest.raises(
        StudyError, match=r"The page datasets was not run with params/smoke/datasets.yaml: tcstudy run params/smoke"
    ):
        build_book("smoke")


@pytest.mark.parametrize(
    ("origin", "branch"), [("https://github.com/o/n.git", "gh-pages"), ("https://gitlab.com/o/n", None), ("../n", None)]
)
def test_buttons_to_open_a_page_elsewhere_appear_with_a_public_home(project, origin, branch):
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=project, check=True)
    folder = pages_folder(Settings.read(), "smoke")
    folder.mkdir(parents=True)
    for page in EXPERIMENTS:
        cells = [nbformat.v4.new_markdown_cell("# A page")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{page}.ipynb")
    target = assemble(Settings.read(), "smoke")
    options = yaml.safe_load((target / "_config.yml").read_text())["sphinx"]["config"]["html_theme_options"]
    assert options.get("repository_branch") == branch
    assert bool(options["launch_buttons"]) == bool(branch)
    first = nbformat.read(target / "book" / "layers.ipynb", as_version=4).cells[0]
    if origin.startswith("https"):
        assert f"git+{origin.removesuffix('.git')}" in first.source
        assert first.metadata["tags"] == ["remove-cell"]
    else:
        assert first.source == "# A page"
