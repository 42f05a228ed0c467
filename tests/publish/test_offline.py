"""The Sphinx extension of the book, on a book of two pages."""

import json
import os
import subprocess
import sys
from pathlib import Path


def indexed(folder: Path) -> set[str]:
    """Build the book where it was built before, and tell the entries of the index that its search knows."""
    built = folder / "built"
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", str(folder), str(built)], check=True)
    index = (built / "searchindex.js").read_text().removeprefix("Search.setIndex(").removesuffix(")")
    return set(json.loads(index)["indexentries"])


def test_a_search_finds_the_entries_of_pages_that_were_not_written_again(tmp_path):
    (tmp_path / "conf.py").write_text('extensions = ["tcstudy.publish.offline"]\n')
    (tmp_path / "index.rst").write_text("Front\n=====\n\n.. toctree::\n\n   one\n   two\n")
    (tmp_path / "one.rst").write_text("One\n===\n\n.. index:: seeds\n")
    two = tmp_path / "two.rst"
    two.write_text("Two\n===\n\n.. index:: overfitting\n")
    assert indexed(tmp_path) == {"seeds", "overfitting"}
    assert indexed(tmp_path) == {"seeds", "overfitting"}  # nothing is written
    two.write_text("Two\n===\n\n.. index:: warm-up\n")
    os.utime(two, (2e9, 2e9))
    assert indexed(tmp_path) == {"seeds", "warm-up"}
