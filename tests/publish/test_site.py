import json
import re
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.pages import pages_folder
from tcstudy.publish.parts import OWN
from tcstudy.publish.site import assemble, build_book, remove_pages_without_source
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
    assert not broken_links(site)
    front, method = ((site / "book" / f"{name}.html").read_text() for name in ("index", "method"))
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML"' in method
    assert not [path.name for path in (site / "book").rglob("*.html") if "tex-chtml" in path.read_text()]
    assert '<meta name="description" content="' in front
    assert 'property="og:image" content="../_static/social.png"' in front
    assert image_size(site / "_static" / "social.png") == (1200, 630)
    assert 'rel="canonical"' not in front  # the checkout has no public home
    assert all(loaded(path) < 1_500_000 for path in (site / "book").glob("*.html"))
    index = json.loads((site / "searchindex.js").read_text().removeprefix("Search.setIndex(").removesuffix(")"))
    assert "book/long_texts" in index["docnames"]
    assert "matplotlib" not in index["terms"]  # which is in every page's code
    assert "hierarch" in index["terms"]
    sources = list((site / "_downloads").rglob("*.txt"))
    assert {path.name for path in sources} >= {"long_texts.md.txt", "long_texts.yaml.txt", "long_texts.py.txt"}


class Page(HTMLParser):
    """The places within a page, what it links to, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.places, self.links, self.files = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img") and given.get("src"):
            self.files.append(given["src"])
        if tag == "link" and given.get("rel") == "stylesheet":
            self.files.append(given["href"])


def broken_links(folder: Path) -> list[str]:
    """Links within a site that lead to no file, or to no place of it."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                broken.append(f"{path.relative_to(folder.resolve())}: {link}")
    return broken


def loaded(path: Path) -> int:
    """Bytes of a page with its scripts, styles, pictures and the font of icons."""
    files = {(path.parent / unquote(urlsplit(name).path)).resolve() for name in Page(path).files}
    fonts = path.parents[1].rglob("fa-solid-900.woff2")
    return sum(file.stat().st_size for file in {path, *files, *fonts} if file.is_file())


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, from its first chunk."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def test_a_crawler_finds_broken_links(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#x"></a><a href="b.html#y"></a><a href="c.html"></a><a href="#z">')
    (tmp_path / "b.html").write_text('<p id="x"><a href="https://elsewhere.org/#q"></a>')
    assert broken_links(tmp_path) == ["a.html: b.html#y", "a.html: c.html", "a.html: #z"]


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


def test_pages_of_an_earlier_book_go_and_others_stay(tmp_path):
    built, source = tmp_path / "html", tmp_path / "book"
    for path in (source / "own" / "a-seeds=1.ipynb", source / "method.md"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("own/a-seeds=1.html", "own/b-window.length=16.html", "method.html", "own/picture.svg"):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).touch()
    remove_pages_without_source(built, source)
    assert {path.name for path in built.rglob("*.*")} == {"a-seeds=1.html", "method.html", "picture.svg"}
