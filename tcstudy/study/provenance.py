"""Where and with what something is made: versions, commit, system."""

import datetime
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import tcstudy

LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy")


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that decide what a run computes."""
    return {library: version(library) for library in LIBRARIES}


def commit() -> str | None:
    """The project's commit, with `+` if something is not committed; None outside a checkout."""
    folder = Path(tcstudy.__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def system() -> str:
    """Operating system and processor architecture, without the machine's name."""
    return f"{platform.system()} {platform.machine()}"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
