"""The state of a training on disk, so that one that was killed goes on and ends in the same weights."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch.optim.lr_scheduler import LRScheduler

from tcstudy.errors import StudyError, first_line
from tcstudy.files import PARTIAL, set_aside, told

SECONDS = 60.0
"""Between two checkpoints: what is lost at most when a training is killed."""
FORMAT = 1
"""Of the file; one with a higher number was written by a newer version of the package."""


class _State(NamedTuple):
    """What the file holds."""

    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class Checkpoint:
    """One file with weights, optimiser, random numbers and counters; replaced as a whole, safetensors, no pickle.

    It holds a digest of itself. A file that is not what was written, or is the state of another model, is set aside.

    Args:
        path: the file.
        model, optimizer, schedule: saved and restored.
        accelerator: only the first process writes.
    """

    def __init__(
        self,
        path: Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: LRScheduler,
        accelerator: Accelerator,
    ) -> None:
        self.path = path
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.accelerator = accelerator
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save again; one process decides for all."""
        waited = time.monotonic() - self._saved >= SECONDS
        return gather_object([waited])[0] if self.accelerator.num_processes > 1 else waited

    def save(self, step: int, counters: dict[str, Any]) -> None:
        """Write the state after update `step`, with `counters` of the caller's, plain data.

        Raises:
            StudyError: the disk is full, or the folder cannot be written; the state before is kept.
        """
        generators = [_random_state()]
        if self.accelerator.num_processes > 1:
            generators = gather_object(generators)
        if self.accelerator.is_main_process:
            tensors = {f"model.{name}": tensor for name, tensor in _tensors(self.model).items()}
            state = self.optimizer.state_dict()
            for number, values in state["state"].items():
                tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in values.items()}
            for rank, random in enumerate(generators):
                tensors |= {f"random.{rank}.{device}": numbers for device, numbers in random.items()}
            rates = [group["lr"] for group in state["param_groups"]]
            facts = {"format": FORMAT, "step": step, "rates": rates, "counters": counters}
            self._write(facts, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        self._saved = time.monotonic()

    def step(self) -> int:
        """The update after which the state was saved; 0 where there is none.

        Raises:
            StudyError: a newer version of the package wrote it.
        """
        state = self._agreed(with_tensors=False)
        return state.facts["step"] if state else 0

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Go back to the saved state; returns its step and counters, or None where there is none.

        Raises:
            StudyError: a newer version of the package wrote it.
        """
        state = self._agreed(with_tensors=True)
        if state is None:
            return None
        facts, tensors = state
        with torch.no_grad():
            for name, tensor in _tensors(self.model).items():
                tensor.copy_(tensors[f"model.{name}"])
        state = self.optimizer.state_dict()
        state["state"] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                number, _, key = rest.partition(".")
                state["state"].setdefault(int(number), {})[key] = tensor
        for group, rate in zip(state["param_groups"], facts["rates"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict(state)
        step = facts["step"]
        self.schedule.load_state_dict(
            self.schedule.state_dict() | {"last_epoch": step, "_step_count": step + 1, "_last_lr": facts["rates"]}
        )
        rank = self.accelerator.process_index
        _set_random_state(
            {d: numbers for d in ("cpu", "cuda") if (numbers := tensors.get(f"random.{rank}.{d}")) is not None}
        )
        return step, facts["counters"]

    def _write(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        partial = self.path.with_name(f"{self.path.name}{PARTIAL}")
        metadata = {"facts": json.dumps(facts)}
        metadata["digest"] = _digest(metadata["facts"], tensors)
        with told(self.path.parent, "States of trainings", "TCSTUDY_WEIGHTS", safetensors.SafetensorError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                safetensors.torch.save_file(tensors, partial, metadata=metadata)
                os.replace(partial, self.path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def _agreed(self, with_tensors: bool) -> _State | None:
        """The saved state, or None if the first process finds none that is whole: then all begin anew."""
        state = self._whole(with_tensors) if self.accelerator.is_main_process else None
        if self.accelerator.num_processes > 1:
            [found] = broadcast_object_list([state is not None])
            if found and state is None:
                state = self._read(with_tensors)
        return state

    def _whole(self, with_tensors: bool) -> _State | None:
        """The saved state; one that is not what was written, or does not fit, is set aside."""
        try:
            state = self._read(with_tensors)
            if state and with_tensors:
                self._check(state)
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, StudyError):
                raise
            with told(self.path.parent, "States of trainings", "TCSTUDY_WEIGHTS"):
                print(
                    f"{set_aside(self.path)} is no state of this training ({first_line(error)}): set aside, training "
                    "begins anew",
                    file=sys.stderr,
                )
            return None
        return state

    def _read(self, with_tensors: bool) -> _State | None:
        if not self.path.exists():
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
        return _State(facts, tensors)

    def _check(self, state: _State) -> None:
        """See that the state is one of this model and optimiser.

        Raises:
            ValueError, KeyError: it is of another.
        """
        for name, tensor in _tensors(self.model).items():
            if state.tensors[f"model.{name}"].shape != tensor.shape:
                raise ValueError(f"{name} has another shape")
        if len(state.facts["rates"]) != len(self.optimizer.param_groups):
            raise ValueError("the optimiser has other groups")

    def remove(self) -> None:
        """Forget the state; the training is done."""
        if self.accelerator.is_main_process:
            self.path.unlink(missing_ok=True)


def _digest(facts: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over facts, names and values, whatever the order."""
    total = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def _tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each once even where two names share it."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _random_state() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_state(states: dict[str, torch.Tensor]) -> None:
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
