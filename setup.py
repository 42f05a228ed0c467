"""A wheel carries the project's pages, parameters and published records within the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PARTS = ("book", "params", "results", "_toc.yml", "_config.yml")


class BuildWithProject(build_py):
    """Copies the project's parts to `tcstudy/project`; an editable installation finds them where they are."""

    def run(self) -> None:
        """Build the package, then add the parts."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "tcstudy" / "project"
        shutil.rmtree(target, ignore_errors=True)  # what an earlier build left
        target.mkdir(parents=True)
        for part in map(Path, PARTS):
            if part.is_dir():
                ignored = shutil.ignore_patterns(".*", "__pycache__", "*.ipynb")
                shutil.copytree(part, target / part.name, ignore=ignored)
            else:
                shutil.copy(part, target)


setup(cmdclass={"build_py": BuildWithProject})
