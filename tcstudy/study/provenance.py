"""Where and with what something is made: versions, commit, system."""

import datetime
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import tcstudy
from tcstudy.spec import BagOfWordsSpec, EncoderSpec, RunSpec
from tcstudy.study.record import Provenance
from tcstudy.training.outcome import Training

_TORCH = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy")
LIBRARIES = {
    RunSpec: _TORCH,
    EncoderSpec: (*_TORCH, "spacy"),
    BagOfWordsSpec: ("scikit-learn", "scipy", "datasets", "numpy"),
}
"""What decides what is computed from each kind of description."""


def of(training: Training, kind: type) -> Provenance:
    """Where and with what `training` was made, just now, from a description of that kind."""
    return Provenance(
        made=now(),
        package=tcstudy.__version__,
        commit=commit(),
        python=platform.python_version(),
        libraries=library_versions(kind),
        system=system(),
        device=training.device,
        processes=training.processes,
        encoder_digest=training.encoder_digest,
        made_new=training.made_new,
    )


def library_versions(kind: type = RunSpec) -> dict[str, str]:
    """Installed versions of the libraries that decide what a run of that kind computes."""
    return {library: version(library) for library in LIBRARIES[kind]}


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
