"""A file with the state of a training: safetensors with a digest of itself, replaced as a whole, no pickle."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from filelock import FileLock, Timeout

from tcstudy.errors import StudyError, first_line
from tcstudy.files import PARTIAL, set_aside, told

FORMAT = 1
"""Of the file; one with a higher number was written by a newer version of the package."""
UNREADABLE = (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError)
"""What a file raises that is not what was written."""


class State(NamedTuple):
    """What the file holds."""

    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class StateFile:
    """Where the state of one training is kept.

    Two studies with one folder of weights may make the same run at once. They come to the same states, so the first to
    save goes on saving, and the other does not.

    Args:
        path: the file; None keeps nothing.
        origin: digests of what the training begins with. The state of one that began with something else is of no use.
    """

    def __init__(self, path: Path | None, origin: str = "") -> None:
        self.path = path
        self.origin = origin
        self._lock = FileLock(path.parent / "locks" / path.name, thread_local=False) if path else None

    def write(self, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Replace what the file holds by plain data and tensors.

        Raises:
            StudyError: the disk is full, or the folder cannot be written; the state before is kept.
        """
        metadata = {"facts": json.dumps({"format": FORMAT, "origin": self.origin, **facts})}
        metadata["digest"] = _digest(metadata["facts"], tensors)
        with told(self.path.parent, "States of trainings", "TCSTUDY_WEIGHTS", safetensors.SafetensorError):
            if not self._is_ours():
                return
            try:
                safetensors.torch.save_file(dict(tensors), self._partial, metadata=metadata)
                os.replace(self._partial, self.path)
            except BaseException:
                self._partial.unlink(missing_ok=True)
                raise

    def read(self, with_tensors: bool) -> State | None:
        """What the file holds, or None where there is none; without tensors the digest is not checked.

        Raises:
            StudyError: a newer version of the package wrote it.
            SafetensorError, OSError, ValueError, KeyError, TypeError: it is not what was written.
        """
        if self.path is None or not self.path.exists():
            return None
        with safetensors.safe_open(self.path, framework="pt") as file:
            metadata = file.metadata() or {}
            facts = json.loads(metadata["facts"])
            if facts["format"] > FORMAT:
                raise StudyError(
                    f"{self.path} is the state of a training by a newer version of this package: go on with that, or "
                    "delete the file to begin anew."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
        if with_tensors and metadata["digest"] != _digest(metadata["facts"], tensors):
            raise ValueError("its digest is not that of what it holds")
        if facts.get("origin", self.origin) != self.origin:
            raise ValueError("that training began with other weights or documents")
        return State(facts, tensors)

    def set_aside(self, error: Exception) -> None:
        """Make room, since the file is not what was written, and tell so."""
        with told(self.path.parent, "States of trainings", "TCSTUDY_WEIGHTS"):
            print(
                f"{set_aside(self.path)} is no state of this training ({first_line(error)}): set aside, training "
                "begins anew",
                file=sys.stderr,
            )

    def clear(self) -> None:
        """Remove what a process left half written that was killed."""
        if self.path is not None and self._partial.exists():
            with told(self.path.parent, "States of trainings", "TCSTUDY_WEIGHTS"):
                if self._is_ours():
                    self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f"{self.path.name}{PARTIAL}")

    def _is_ours(self) -> bool:
        """Whether this process is the one that writes the file, from now on until it ends with the training."""
        if not self._lock.is_locked:
            (self.path.parent / "locks").mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                return False
        return True


NOWHERE = StateFile(None)
"""Keeps no state: a training that is killed begins anew."""


def _digest(facts: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over facts, names and values, whatever the order."""
    total = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
