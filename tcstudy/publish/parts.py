"""The two parts of the book: the published study, and below it what was run on this machine."""

import inspect
import itertools
import re
import shutil
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import jupytext
import nbformat
import yaml

from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.files import near
from tcstudy.publish.freshness import page_source, what_is_missing
from tcstudy.publish.pages import executed_page
from tcstudy.publish.parameters import ParameterFile, by_page, has_parameters, profile_folder, read_all
from tcstudy.report.cells import RUNS
from tcstudy.report.sweep import sweep_tables
from tcstudy.report.tables import CSV, escape_markdown
from tcstudy.settings import Settings

FRONT = "index"
"""The page that opens the book; it is none of one's own run."""
QUESTION = "**The question.**"
"""What every page opens with, after its title and perhaps a sentence."""
OWN = "own"
"""The folder of the pages of one's own run."""

KEPT = ("kernelspec", "language_info")
"""What a published notebook says of itself."""

_INSTALL = """\
import importlib.util

if importlib.util.find_spec("tcstudy") is None:  # on Colab, for example
    get_ipython().run_line_magic("pip", "install --quiet git+{address}")"""

SVG = "image/svg+xml"
_POINTS = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')
_LABEL = re.compile(r"(:(?:name|label): )(\S+)")
_REFERENCE = re.compile(r"(\{(?:ref|numref|eq)\}`(?:[^`<]*<)?)([\w-]+)")
_DOCUMENT = re.compile(r"(\{doc\}`(?:[^`<]*<)?)([\w-]+)")


def place_pages(settings: Settings, profile: str | None, target: Path, address: str | None = None) -> None:
    """Put the executed pages into the book's folder `target`, which holds the prose, and complete its contents.

    The published study is the main part; a page of it that lacks records is replaced by a page that says so. The pages
    of `profile` follow as one's own run. If nothing is published, they are the main part.

    Args:
        settings, target: where everything is, and where it goes.
        profile: a folder of parameter files, as `profile_folder` takes it; None for the published study alone.
        address: where the package can be installed from by whoever opens a page elsewhere, or None.

    Raises:
        StudyError: a page was not run, or there is nothing to show.
    """
    published = read_all([profile_folder(PUBLISHED)]) if has_parameters(PUBLISHED) else None
    own = read_all([profile_folder(profile)]) if profile not in (None, PUBLISHED) else []
    own = [file for file in own if file.page != FRONT] if published else own
    if not published and not own:
        raise StudyError(f"There is nothing to show: no params/{PUBLISHED}, and no --profile.")
    main = by_page(published or own)
    for page in EXPERIMENTS:
        missing = what_is_missing(main[page].experiment) if published and page in main else None
        if page not in main:
            missing = "parameters for it"
        if missing:
            _write_substitute(settings, page, missing, page in {file.page for file in own} and bool(published), target)
        else:
            _place(settings, main[page], page, target / "book", address, recorded=bool(published))
    if published and own:
        (target / "book" / OWN).mkdir()
        names = page_names(own)
        for file, name in zip(own, names, strict=True):
            _place(settings, file, name, target / "book" / OWN, address, beside=set(names))
        _append_own(target, own, names)


def page_names(files: Sequence[ParameterFile]) -> list[str]:
    """A name in the book for each file, of letters, digits and a few signs; a number tells equal ones apart.

    Names that are those of pages stay.
    """
    names: list[str] = []
    for file in files:
        plain = re.sub(r"[^A-Za-z0-9_.=-]+", "_", file.name)
        numbered = (plain if not number else f"{plain}-{number + 1}" for number in itertools.count())
        names.append(next(name for name in numbered if name not in (*names, FRONT)))
    return names


def _place(
    settings: Settings,
    file: ParameterFile,
    name: str,
    folder: Path,
    address: str | None,
    recorded: bool = False,
    beside: Set[str] | None = None,
) -> None:
    """Put an executed page and its sources into `folder`, where its text must not be.

    Args:
        settings, address: as in `place_pages`.
        file: its parameters.
        name, folder: how the page is called in the book, and where it goes.
        recorded: it is one of the published study.
        beside: names of all pages of one's own run, if it is one of them.
    """
    executed = executed_page(file, settings)
    if not executed.exists():
        command = f"tcstudy run {near(file.path.parent)}" + (" --recorded" if recorded else "")
        raise StudyError(f"The page {file.name} was not run with {near(file.path)}: {command}")
    (folder / f"{name}.md").unlink(missing_ok=True)
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    for source in (page_source(file.page, settings), file.path, Path(inspect.getfile(type(file.experiment)))):
        shutil.copy(source, sources / f"{name}{'.yaml' if source == file.path else source.suffix}.txt")
    notebook = _published(nbformat.read(executed, as_version=4), name)
    _offer_tables(notebook, name, sources)
    if beside is not None:
        notebook = _as_own(notebook, name if name == file.page else f"{name}-{file.page}", beside)
        _retitle(notebook, name if name != file.page else "")
    if address:
        install = nbformat.v4.new_code_cell(_INSTALL.format(address=address), metadata={"tags": ["remove-cell"]})
        notebook.cells.insert(0, install)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def _offer_tables(notebook: nbformat.NotebookNode, page: str, folder: Path) -> None:
    """Write the tables of a page into `folder` as CSV, and put a link to its file below each."""
    count = itertools.count(1)
    for cell in notebook.cells:
        outputs = []
        for output in cell.get("outputs", []):
            outputs.append(output)
            if text := output.get("data", {}).pop(CSV, None):
                label = _LABEL.search("".join(output["data"].get("text/markdown", "")))
                file = f"{page}-{label[2] if label else f'table-{next(count)}'}.csv"
                (folder / file).write_text("".join(text), encoding="utf-8-sig")  # by whose mark Excel knows UTF-8
                link = f"<small>{{download}}`CSV <sources/{file}>`</small>"
                outputs.append(nbformat.v4.new_output("display_data", {"text/markdown": link}))
        if "outputs" in cell:
            cell.outputs = outputs


def _retitle(notebook: nbformat.NotebookNode, name: str) -> None:
    """Let the title of a page of one's own run say that it is one, and which of several."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    title, *rest = cell.source.split("\n")
    which = f": {escape_markdown(name)}" if name else ""
    cell.source = "\n".join([f"{title}{which} (your run)", *rest])


def _published(notebook: nbformat.NotebookNode, page: str) -> nbformat.NotebookNode:
    """The executed page without papermill's cell and progress lines, with links to its sources.

    What papermill tells of the machine, paths for example, is left out. A figure's finding becomes its alternative
    text, and its width that of the image, which so leads to the file itself.
    """
    notebook.metadata = {key: notebook.metadata[key] for key in KEPT if key in notebook.metadata}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata["tags"], "remove-cell"]
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if alt := output.get("metadata", {}).get(SVG, {}).get("alt"):
                    image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
                    image |= {"alt": alt, "width": _width(output.data[SVG])}
    links = ", ".join(
        f"{{download}}`{label} <{file}>`"
        for label, file in [
            ("this page as text", f"sources/{page}.md.txt"),
            ("as a notebook", f"{page}.ipynb"),
            ("its parameters", f"sources/{page}.yaml.txt"),
            ("its experiment", f"sources/{page}.py.txt"),
        ]
    )
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"Sources: {links}."))
    return notebook


def _width(svg: str) -> str:
    """The width of a picture of matplotlib in the pixels of a page.

    >>> _width('<svg xmlns="http://www.w3.org/2000/svg" width="403.2pt" height="100pt">')
    '538px'
    """
    return f"{float(_POINTS.search(svg)[1]) * 96 / 72:.0f}px"


def _as_own(notebook: nbformat.NotebookNode, name: str, beside: Set[str]) -> nbformat.NotebookNode:
    """The page with labels of its own, since the book has the same page once more, and with links to the prose."""
    prefix = own_prefix(name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = own_text(cell.source, prefix, beside)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            figure["name"] = f"{prefix}{figure['name']}"
        for output in cell.get("outputs", []):
            data: Mapping = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = own_text("".join(data["text/markdown"]), prefix, beside)
    return notebook


def own_prefix(name: str) -> str:
    """What stands before the labels of a page of one's own run, from its name in the book."""
    return f"{OWN}-" if name in EXPERIMENTS else f"{OWN}-{re.sub('[^A-Za-z0-9]+', '-', name)}-"


def own_text(text: str, prefix: str = f"{OWN}-", beside: Set[str] = frozenset(EXPERIMENTS)) -> str:
    """Markdown of a page as it stands in the part of one's own run.

    Args:
        text: the Markdown.
        prefix: what comes before its labels, which are those of this page alone.
        beside: names of the pages of that part.

    >>> own_text("{numref}`tab-layers` beside {doc}`layers`, as {doc}`the method <method>` says")
    '{numref}`own-tab-layers` beside {doc}`layers`, as {doc}`the method <../method>` says'
    """
    text = _REFERENCE.sub(rf"\g<1>{prefix}\g<2>", _LABEL.sub(rf"\g<1>{prefix}\g<2>", text))
    beside = set(beside) - {FRONT}
    return _DOCUMENT.sub(lambda found: found[1] + ("" if found[2] in beside else "../") + found[2], text)


def _write_substitute(settings: Settings, page: str, missing: str, own: bool, target: Path) -> None:
    """A page that opens like the one in whose place it stands, and says what that lacks."""
    source = jupytext.read(page_source(page, settings))
    texts = [cell.source for cell in source.cells if cell.cell_type == "markdown"]
    asked = next(number for number, text in enumerate(texts) if QUESTION in text)
    title, opening = "\n\n".join(texts[: asked + 1]).split("\n", maxsplit=1)
    elsewhere = f" Your own run of it is {{doc}}`{OWN}/{page}`." if own else ""
    notice = (
        "```{admonition} Not part of the published study yet\n:class: warning\n\n"
        f"This page is shown when all it needs is there: {missing}.{elsewhere}\n```"
    )
    text = "\n\n".join([title, f'<a id="{RUNS}"></a>', notice, opening.strip()])  # cells of other pages may lead there
    (target / "book" / f"{page}.md").write_text(text + "\n", encoding="utf-8")


def _append_own(target: Path, files: Sequence[ParameterFile], names: Sequence[str]) -> None:
    """The part of one's own run at the end of the table of contents, with tables across its files."""
    experiments = {name: file.experiment for name, file in zip(names, files, strict=True)}
    text = (
        "# Your own run\n\n"
        f"These pages were run on this machine, by the parameter files of {escape_markdown(files[0].folder)}. They are "
        "the same pages as those of the published study, with other parameters; what was changed in them or in their "
        "parameters shows here.\n\n"
        + "".join(f"{table.markdown()}\n\n" for table in sweep_tables(experiments))
        + "```{tableofcontents}\n```\n"
    )
    (target / "book" / OWN / f"{FRONT}.md").write_text(text, encoding="utf-8")
    path = target / "_toc.yml"
    contents = yaml.safe_load(path.read_text(encoding="utf-8"))
    sections = [{"file": f"book/{OWN}/{name}"} for name in names]
    chapter = {"file": f"book/{OWN}/{FRONT}", "sections": sections}
    contents["parts"].append({"caption": "On this machine", "chapters": [chapter]})
    path.write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")
