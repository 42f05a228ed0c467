"""The two parts of the book: the published study, and below it what was run on this machine."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
import yaml

from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.experiments.base import Experiment
from tcstudy.publish.completeness import what_is_missing
from tcstudy.publish.pages import pages_folder
from tcstudy.publish.profile import experiments_of, has_parameters
from tcstudy.settings import Settings

FRONT = "index"
"""The page that opens the book; it is none of one's own run."""
OWN = "own"
"""The folder of the pages of one's own run."""

_LABEL = re.compile(r"(:(?:name|label): )(\S+)")
_REFERENCE = re.compile(r"(\{(?:ref|numref|eq)\}`(?:[^`<]*<)?)([\w-]+)")
_DOCUMENT = re.compile(r"(\{doc\}`(?:[^`<]*<)?)([\w-]+)")


def place_pages(settings: Settings, profile: str, target: Path) -> None:
    """Put the executed pages into the book's folder `target`, which holds the prose, and complete its contents.

    The published study is the main part; a page of it that lacks records is replaced by a page that says so. The pages
    of `profile` follow as one's own run. If `profile` is the published one, or nothing is published, they are all.

    Raises:
        StudyError: a page was not run.
    """
    both = profile != PUBLISHED and has_parameters(PUBLISHED)
    main = PUBLISHED if both else profile
    experiments = experiments_of(main) if both else {}
    for page in EXPERIMENTS:
        missing = what_is_missing(experiments[page]) if both else None
        if missing:
            _write_substitute(settings, experiments[page], missing, target)
        else:
            _place(settings, main, page, target / "book")
    if both:
        (target / "book" / OWN).mkdir()
        for page in EXPERIMENTS:
            if page != FRONT:
                _place(settings, profile, page, target / "book" / OWN, own=True)
        _append_own(target, profile)


def page_sources(root: Path, profile: str, page: str) -> list[Path]:
    """The files a page is made from: text, parameters and experiment."""
    return [
        root / "book" / f"{page}.md",
        root / "params" / profile / f"{page}.yaml",
        root / "tcstudy" / "experiments" / f"{page}.py",
    ]


def _place(settings: Settings, profile: str, page: str, folder: Path, own: bool = False) -> None:
    """Put an executed page and its sources into `folder`, where its text must not be."""
    executed = pages_folder(settings, profile) / f"{page}.ipynb"
    if not executed.exists():
        command = f"tcstudy run params/{profile}" + ("" if own or profile != PUBLISHED else " --recorded")
        raise StudyError(f"The page {page} was not run with the profile {profile}: {command}")
    (folder / f"{page}.md").unlink(missing_ok=True)
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    for file in page_sources(settings.root, profile, page):
        shutil.copy(file, sources / f"{page}{file.suffix}.txt")
    notebook = _published(nbformat.read(executed, as_version=4), page)
    nbformat.write(_as_own(notebook) if own else notebook, folder / f"{page}.ipynb")


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


def _as_own(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The page with labels of its own, since the book has the same page once more, and with links to the prose."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = own_text(cell.source)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            figure["name"] = f"{OWN}-{figure['name']}"
        for output in cell.get("outputs", []):
            data: Mapping = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = own_text("".join(data["text/markdown"]))
    return notebook


def own_text(text: str) -> str:
    """Markdown of a page as it stands in the part of one's own run.

    >>> own_text("{numref}`tab-layers` beside {doc}`layers`, as {doc}`the method <method>` says")
    '{numref}`own-tab-layers` beside {doc}`layers`, as {doc}`the method <../method>` says'
    """
    text = _REFERENCE.sub(rf"\g<1>{OWN}-\g<2>", _LABEL.sub(rf"\g<1>{OWN}-\g<2>", text))
    beside = set(EXPERIMENTS) - {FRONT}
    return _DOCUMENT.sub(lambda found: found[1] + ("" if found[2] in beside else "../") + found[2], text)


def _write_substitute(settings: Settings, experiment: Experiment, missing: str, target: Path) -> None:
    """A page that opens like the one in whose place it stands, and says what that lacks."""
    page = experiment.page
    source = jupytext.read(settings.root / "book" / f"{page}.md")
    [title, opening, *_] = [cell.source for cell in source.cells if cell.cell_type == "markdown"]
    notice = (
        "```{admonition} Not part of the published study yet\n:class: warning\n\n"
        f"This page is shown when all it needs is there: {missing}. Your own run of it is {{doc}}`{OWN}/{page}`.\n```"
    )
    text = "\n\n".join([title, notice, opening])
    (target / "book" / f"{page}.md").write_text(text + "\n", encoding="utf-8")


def _append_own(target: Path, profile: str) -> None:
    """The part of one's own run at the end of the table of contents."""
    text = (
        "# Your own run\n\n"
        f"These pages were run on this machine, by the profile `{profile}`. They are the same pages as those of the "
        "published study, with other parameters; what was changed in them or in their parameters shows here.\n\n"
        "```{tableofcontents}\n```\n"
    )
    (target / "book" / OWN / f"{FRONT}.md").write_text(text, encoding="utf-8")
    path = target / "_toc.yml"
    contents = yaml.safe_load(path.read_text(encoding="utf-8"))
    sections = [{"file": f"book/{OWN}/{page}"} for page in EXPERIMENTS if page != FRONT]
    chapter = {"file": f"book/{OWN}/{FRONT}", "sections": sections}
    contents["parts"].append({"caption": "On this machine", "chapters": [chapter]})
    path.write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")
