"""Whether the hub and the package index can be reached, asked in seconds and without fetching anything."""

import functools
import os
import subprocess
import sys

from tcstudy.errors import first_line

SECONDS = 5
"""In which they have to answer."""


@functools.cache
def index_trouble(project: str, version: str) -> str | None:
    """Why a project of the package index cannot be had, in words; None if it can. Asked once in a process."""
    pip = [sys.executable, "-m", "pip", "index", "versions", project, "--disable-pip-version-check", "--retries=0"]
    try:
        said = subprocess.run([*pip, f"--timeout={SECONDS}"], capture_output=True, text=True, timeout=4 * SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return "the package index does not answer"
    if said.returncode:
        return f"the package index does not offer {project}"
    return None if version in said.stdout else f"the package index has no version {version} of it"


@functools.cache
def hub_trouble(kind: str, id: str, commit: str) -> str | None:
    """Why something of the hub cannot be had, in words; None if it can. Asked once in a process."""
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "TRUE", "YES", "ON"}:
        return "is not to be asked for (HF_HUB_OFFLINE is set)"
    if unreachable := _why_unreachable():
        return f"cannot be reached ({unreachable})"
    from huggingface_hub import HfApi

    try:
        (HfApi().dataset_info if kind == "dataset" else HfApi().model_info)(id, revision=commit, timeout=SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the network or the hub's client raises
        return f"cannot be had ({first_line(error)})"
    return None


@functools.cache
def _why_unreachable() -> str | None:
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the network raises
        return first_line(error)
    return None
