"""The book: executed pages and prose assembled in a build folder, and built strictly by Jupyter Book."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.errors import StudyError
from tcstudy.publish.parameters import check_profile
from tcstudy.publish.parts import place_pages
from tcstudy.settings import Settings

LINKED_HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
LAUNCHERS = {
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
    "notebook_interface": "jupyterlab",
}
STATIC = Path(__file__).parent / "static"
"""The book's own script and style sheet."""


def build_book(profile: str | None = None) -> Path:
    """Assemble the book of the published study and the executed pages of `profile`, and build it strictly.

    Args:
        profile: a folder of parameter files, by its path or its name in `params/`; None for the published study alone.

    Returns:
        The file to open.

    Raises:
        StudyError: there is no such profile, a page was not run, or Jupyter Book did not build the book.
    """
    check_profile(profile)
    settings = Settings.read()
    source = assemble(settings, profile)
    remove_pages_without_source(settings.root / "_build" / "html" / "book", source / "book")
    arguments = ["build", str(source), "--path-output", str(settings.root), "-n", "-W", "--keep-going", "--quiet"]
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no module to run
    built = subprocess.run([*command, *arguments], check=False)
    index = settings.root / "_build" / "html" / "index.html"
    if built.returncode or not index.exists():
        raise StudyError("Jupyter Book did not build the book; its messages are above.")
    return index


def remove_pages_without_source(built: Path, source: Path) -> None:
    """Remove pages of an earlier book, such as those of another own run, which Sphinx leaves where they are."""
    for page in built.rglob("*.html"):
        at = source / page.relative_to(built)
        if not any(at.with_suffix(suffix).exists() for suffix in (".md", ".ipynb")):
            page.unlink()


def assemble(settings: Settings, profile: str | None) -> Path:
    """Put prose, executed pages, their sources and records into one folder for Jupyter Book.

    Raises:
        StudyError: a page of the book was not run.
    """
    target = settings.root / "_build" / "book"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(settings.project / "book", target / "book", ignore=shutil.ignore_patterns(".*", "*.ipynb"))
    shutil.copy(settings.project / "_toc.yml", target)
    address = _public_address(settings.project)
    _write_config(settings.project, target, address)
    shutil.copytree(STATIC, target / "_vendor", dirs_exist_ok=True)
    place_pages(settings, profile, target, address)
    own = [] if profile in (None, PUBLISHED) else [settings.results]
    _copy_records([settings.published, *own], target / "_vendor" / "records")
    return target


def _public_address(root: Path) -> str | None:
    """The web address of the repository that the project was cloned from, if it is a public host's."""
    git = ["git", "-C", str(root), "remote", "get-url", "origin"]
    found = shutil.which("git") and subprocess.run(git, capture_output=True, text=True, check=False)
    return repository_address(found.stdout.strip()) if found else None


def _write_config(root: Path, target: Path, address: str | None) -> None:
    """The project's `_config.yml`; where the checkout came from a public host, with links to it.

    On GitHub also with buttons that open a page on Binder and Colab, which take it from the branch that the built book
    is published on.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if address:
        options = config["sphinx"]["config"]["html_theme_options"]
        options |= {"repository_url": address, "use_repository_button": True, "use_issues_button": True}
        if urlsplit(address).hostname == "github.com":
            owner, name = urlsplit(address).path.strip("/").split("/")
            config["sphinx"]["config"]["html_baseurl"] = f"https://{owner.lower()}.github.io/{name}/"
            options |= {"repository_branch": "gh-pages", "path_to_docs": "_sources", "launch_buttons": LAUNCHERS}
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


def _copy_records(folders: Iterable[Path], target: Path) -> None:
    """Let pages link to the files of records; of two with one name that of the later folder is taken."""
    target.mkdir(parents=True)
    for folder in folders:
        for path in folder.glob("*.json"):
            shutil.copy(path, target)
