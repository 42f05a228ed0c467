"""A new project, copied from the pages and parameters in the package."""

import shutil
from pathlib import Path

from tcstudy.errors import StudyError
from tcstudy.settings import is_project, packaged_project

PARTS = ("book", "params", "_toc.yml", "_config.yml")
"""What is laid out; the published records are found where they are."""
IGNORED = "_build/\n_runs/\n_weights/\n.ipynb_checkpoints/\n"
"""What git should leave out of a project: everything that commands and JupyterLab write."""


def lay_out(folder: Path) -> None:
    """Copy pages and parameters into `folder`.

    Raises:
        StudyError: something is there already, it cannot be written, or the package has none of them.
    """
    source = packaged_project()
    if not is_project(source):
        raise StudyError(f"The package in {source} has no pages and parameters: install its wheel.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StudyError(f"{folder} already exists and is not an empty folder.")
        folder.mkdir(parents=True, exist_ok=True)
        for part in (source / name for name in PARTS):
            if part.is_dir():
                shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns(".*", "*.ipynb"))
            else:
                shutil.copy(part, folder)
        (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{folder} cannot be written ({error.strerror or error}).") from None
