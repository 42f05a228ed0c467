"""Whether the hub and the package index can be reached, asked in seconds and without fetching anything."""

import functools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable

from tcstudy.corpora.assets import is_unreachable
from tcstudy.errors import first_line

SECONDS = 5
"""In which they have to answer."""
PATIENCE = 15
"""Seconds after which nobody waits any longer: a name that is looked up keeps no time of its own."""


@functools.cache
def index_trouble(project: str, version: str) -> str | None:
    """Why a project of the package index cannot be had, in words; None if it can. Asked once in a process."""
    pip = [sys.executable, "-m", "pip", "index", "versions", project, "-vv", "--disable-pip-version-check"]
    waiting = ["--retries=0", f"--timeout={SECONDS}"]
    try:
        asked = subprocess.run([*pip, *waiting], capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return "the package index does not answer"
    if asked.returncode:
        unreachable = is_unreachable(asked.stdout + asked.stderr)
        return "the package index cannot be reached" if unreachable else f"the package index does not offer {project}"
    return None if version in asked.stdout else f"the package index has no version {version} of it"


@functools.cache
def hub_unreachable() -> str | None:
    """Why the hub cannot be asked for anything, in words; None if it answers. Asked once in a process."""
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "TRUE", "YES", "ON"}:
        return "is not to be asked, since HF_HUB_OFFLINE is set"
    from huggingface_hub import constants, get_session

    if trouble := _trouble(lambda: get_session().head(constants.ENDPOINT, timeout=SECONDS)):
        return f"cannot be reached ({trouble})"
    return None


@functools.cache
def hub_trouble(kind: str, id: str, commit: str) -> str | None:
    """Why something of the hub cannot be had, in words; None if it can. Asked once in a process."""
    if hub_unreachable():
        return "cannot be fetched"
    from huggingface_hub import HfApi

    ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
    if trouble := _trouble(lambda: ask(id, revision=commit, timeout=SECONDS)):
        return f"cannot be had ({trouble})"
    return None


def _trouble(ask: Callable[[], object]) -> str | None:
    """What goes wrong when the network is asked, or that it does not answer; None if it does."""
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def wait() -> None:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - whatever the network or the hub's client raises
            answers.put(first_line(error))
        else:
            answers.put(None)

    threading.Thread(target=wait, daemon=True).start()  # so that a question without an answer keeps nobody
    try:
        return answers.get(timeout=PATIENCE)
    except queue.Empty:
        return "no answer"
