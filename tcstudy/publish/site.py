"""The book: executed pages and prose assembled in a build folder, and built strictly by Jupyter Book."""

import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import yaml

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.pages import pages_folder
from tcstudy.settings import Settings

MATHJAX = "sphinx-mathjax-offline"  # the distribution that carries MathJax
LINKED_HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/")


def build_book(profile: str) -> Path:
    """Assemble the book from the executed pages of `profile` and build it, warnings being errors.

    Returns:
        The file to open.

    Raises:
        StudyError: a page was not run, or Jupyter Book did not build the book.
    """
    settings = Settings.read()
    source = assemble(settings, profile)
    arguments = ["build", str(source), "--path-output", str(settings.root), "-n", "-W", "--keep-going", "--quiet"]
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no module to run
    built = subprocess.run([*command, *arguments], check=False)
    index = settings.root / "_build" / "html" / "index.html"
    if built.returncode or not index.exists():
        raise StudyError("Jupyter Book did not build the book; its messages are above.")
    return index


def assemble(settings: Settings, profile: str) -> Path:
    """Put prose, executed pages, their sources and MathJax into one folder for Jupyter Book.

    Raises:
        StudyError: a page of the book was not run with `profile`.
    """
    target = settings.root / "_build" / "book"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(settings.root / "book", target / "book")
    shutil.copy(settings.root / "_toc.yml", target)
    _write_config(settings.root, target)
    _copy_mathjax(target / "_vendor" / "mathjax")
    for page in EXPERIMENTS:
        executed = pages_folder(settings, profile) / f"{page}.ipynb"
        if not executed.exists():
            raise StudyError(f"The page {page} was not run with the profile {profile}: tcstudy run params/{profile}")
        (target / "book" / f"{page}.md").unlink()  # the source and the executed page never share a folder
        sources = target / "book" / "sources"
        sources.mkdir(exist_ok=True)
        for file in page_sources(settings.root, profile, page):
            shutil.copy(file, sources / f"{page}{file.suffix}.txt")
        nbformat.write(_published(nbformat.read(executed, as_version=4), page), target / "book" / f"{page}.ipynb")
    return target


def page_sources(root: Path, profile: str, page: str) -> list[Path]:
    """The files a page is made from: text, parameters and experiment."""
    return [
        root / "book" / f"{page}.md",
        root / "params" / profile / f"{page}.yaml",
        root / "tcstudy" / "experiments" / f"{page}.py",
    ]


def _published(notebook: nbformat.NotebookNode, page: str) -> nbformat.NotebookNode:
    """The executed page without papermill's cell and progress lines, with links to its sources."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata["tags"], "remove-cell"]
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    links = ", ".join(
        f"{{download}}`{label} <sources/{page}{suffix}.txt>`"
        for label, suffix in [("this page as text", ".md"), ("its parameters", ".yaml"), ("its experiment", ".py")]
    )
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"Sources: {links}."))
    return notebook


def _write_config(root: Path, target: Path) -> None:
    """The project's `_config.yml`; where the checkout came from a public host, with links to it."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    git = ["git", "-C", str(root), "remote", "get-url", "origin"]
    origin = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    if address := repository_address(origin):
        buttons = {"repository_url": address, "use_repository_button": True, "use_issues_button": True}
        config["sphinx"]["config"]["html_theme_options"] |= buttons
    (target / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def repository_address(origin: str) -> str | None:
    """The web address of a repository from that of its remote, for hosts that the book's theme can link to.

    >>> repository_address("https://user:secret@github.com/owner/name.git")
    'https://github.com/owner/name'
    >>> repository_address("../elsewhere") is None
    True
    """
    address = urlsplit(origin)
    if address.scheme != "https" or address.hostname not in LINKED_HOSTS:
        return None
    return f"https://{address.hostname}{address.path.removesuffix('.git')}"


def _copy_mathjax(target: Path) -> None:
    copied = 0
    for file in files(MATHJAX) or []:
        inside = "/".join(file.parts).partition("/static/mathjax/")[2]
        if inside.startswith(MATHJAX_PARTS):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target / inside)
            copied += 1
    if not copied:
        raise StudyError(f"MathJax is not where {MATHJAX} should have it: install the lock file again.")
