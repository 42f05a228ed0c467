import re
from pathlib import Path

import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.pages import run_pages
from tcstudy.publish.parameters import find_parameter_files, read_parameters
from tcstudy.publish.site import build_book

FOREIGN = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*", re.IGNORECASE
)


@pytest.mark.slow
def test_the_book_is_built_strictly_and_asks_nothing_of_the_network(project):
    results = run_pages([read_parameters(path) for path in find_parameter_files([Path("params/smoke")])])
    assert not [result.failure for result in results if result.failure]
    index = build_book("smoke")
    html = index.parent
    assert index == project / "_build" / "html" / "index.html"
    for page in ("index", "method", "bibliography", *EXPERIMENTS):
        text = (html / "book" / f"{page}.html").read_text()
        assert not FOREIGN.findall(text)
        assert "cdn" not in text.lower()
    page = (html / "book" / "long_texts.html").read_text()
    assert "Made by the profile smoke: no evidence" in page
    assert "This page was run with" in page
    assert "injected-parameters" not in page
    assert "runs: " not in page  # progress lines
    assert page.count('class="reference internal" href="#fig-long-texts-length"') == 1
    assert (html / "_static" / "mathjax" / "tex-chtml.js").exists()
    sources = list((html / "_downloads").rglob("*.txt"))
    assert {path.name for path in sources} >= {"long_texts.md.txt", "long_texts.yaml.txt", "long_texts.py.txt"}


def test_a_page_that_was_not_run_is_told(project):
    with pytest.raises(
        StudyError, match=r"The page datasets was not run with params/smoke/datasets.yaml: tcstudy run params/smoke"
    ):
        build_book("smoke")
