"""The state of a training on disk, so that one that was killed goes on and ends in the same weights."""

import json
import os
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.optim.lr_scheduler import LRScheduler

SECONDS = 60.0
"""Between two checkpoints: what is lost at most when a training is killed."""


class Checkpoint:
    """One file with weights, optimiser, random numbers and counters; replaced as a whole, safetensors, no pickle.

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
        """Write the state after update `step`, with `counters` of the caller's, plain data."""
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
            facts = {"step": step, "rates": [group["lr"] for group in state["param_groups"]], "counters": counters}
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            safetensors.torch.save_file(tensors, partial, metadata={"facts": json.dumps(facts)})
            os.replace(partial, self.path)
        self._saved = time.monotonic()

    def step(self) -> int:
        """The update after which the state was saved; 0 where there is none."""
        if not self.path.exists():
            return 0
        with safetensors.safe_open(self.path, framework="pt") as file:
            return json.loads(file.metadata()["facts"])["step"]

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Go back to the saved state; returns its step and counters, or None where there is none."""
        if not self.path.exists():
            return None
        with safetensors.safe_open(self.path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
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

    def remove(self) -> None:
        """Forget the state; the training is done."""
        if self.accelerator.is_main_process:
            self.path.unlink(missing_ok=True)


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
