"""The state of a training on disk, so that one that was killed goes on and ends in the same weights.

The file is safetensors with a digest of itself, replaced as a whole, without pickle.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from filelock import FileLock, Timeout
from torch.optim.lr_scheduler import LRScheduler

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


SECONDS = 60.0
"""Between two checkpoints: what is lost at most when a training is killed, where a checkpoint is quick."""
COST = 2.0
"""Seconds for which a checkpoint may hold training up; those that take longer are as much further apart."""


class Saved(NamedTuple):
    """What a caller gets back: the update after which it was saved, its counters, and the tensors that it kept."""

    step: int
    counters: dict[str, Any]
    kept: dict[str, torch.Tensor]


class Checkpoint:
    """Weights that are trained, optimiser, random numbers, and the caller's counters and tensors, in one file.

    A file that is not what was written, or is the state of another model, is set aside.

    A GPU trains on while the file is written from a copy in the host's memory. A CPU has better to do than to copy.
    Of several processes only the first one writes.
    """

    def __init__(
        self,
        file: StateFile,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: LRScheduler,
        accelerator: Accelerator,
    ) -> None:
        self.file = file
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.accelerator = accelerator
        self._beside = accelerator.device.type != "cpu"
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._written: Future[None] | None = None
        self._saved, self._cost = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to save again; one process decides for all."""
        if self.file.path is None:
            return False
        written = self._written is None or self._written.done()
        waited = written and time.monotonic() - self._saved >= SECONDS * max(1.0, self._cost / COST)
        return gather_object([waited])[0] if self.accelerator.num_processes > 1 else waited

    def save(self, step: int, counters: dict[str, Any], kept: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write the state after update `step`, with `counters`, plain data, and `kept`, both of the caller's.

        Raises:
            StudyError: the disk is full, or the folder cannot be written; the state before is kept. Where the file is
                written beside the training, the next call of this or of `wait` raises it.
        """
        self.wait()
        started = time.monotonic()
        generators = [_random_state()]
        if self.accelerator.num_processes > 1:
            generators = gather_object(generators)
        if self.accelerator.is_main_process:
            tensors = {f"model.{name}": tensor for name, tensor in trained_weights(self.model).items()}
            tensors |= {f"kept.{name}": tensor for name, tensor in (kept or {}).items()}
            state = self.optimizer.state_dict()
            for number, values in state["state"].items():
                tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in values.items()}
            for rank, random in enumerate(generators):
                tensors |= {f"random.{rank}.{device}": numbers for device, numbers in random.items()}
            rates = [group["lr"] for group in state["param_groups"]]
            facts = {"step": step, "rates": rates, "counters": counters}
            copies = {n: tensor.detach().to("cpu", copy=self._beside).contiguous() for n, tensor in tensors.items()}
            if self._beside:
                self._written = self._writer.submit(self.file.write, facts, copies)
            else:
                self.file.write(facts, copies)
        self._saved = time.monotonic()
        self._cost = self._saved - started

    def wait(self) -> None:
        """Come back when the file is written; a training calls this before it ends.

        Raises:
            StudyError: it could not be.
        """
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def step(self) -> int:
        """The update after which the state was saved; 0 where there is none.

        Raises:
            StudyError: a newer version of the package wrote it.
        """
        state = self._agreed(with_tensors=False)
        return state.facts["step"] if state else 0

    def restore(self) -> Saved | None:
        """Go back to the saved state; None where there is none.

        Raises:
            StudyError: a newer version of the package wrote it.
        """
        state = self._agreed(with_tensors=True)
        if state is None:
            return None
        facts, step = state.facts, state.facts["step"]
        model, kept, optimizer, random = (_part(state, name) for name in ("model", "kept", "optimizer", "random"))
        with torch.no_grad():
            for name, tensor in trained_weights(self.model).items():
                tensor.copy_(model[name])
        own = self.optimizer.state_dict()
        own["state"] = {}
        for name, tensor in optimizer.items():
            number, _, key = name.partition(".")
            own["state"].setdefault(int(number), {})[key] = tensor
        for group, rate in zip(own["param_groups"], facts["rates"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict(own)
        self.schedule.load_state_dict(
            self.schedule.state_dict() | {"last_epoch": step, "_step_count": step + 1, "_last_lr": facts["rates"]}
        )
        rank = self.accelerator.process_index
        _set_random_state({d: numbers for d in ("cpu", "cuda") if (numbers := random.get(f"{rank}.{d}")) is not None})
        return Saved(step, facts["counters"], kept)

    def _agreed(self, with_tensors: bool) -> State | None:
        """The saved state, or None if the first process finds none that is whole: then all begin anew."""
        state = self._whole(with_tensors) if self.accelerator.is_main_process else None
        if self.accelerator.num_processes > 1:
            [found] = broadcast_object_list([state is not None])
            if found and state is None:
                state = self.file.read(with_tensors)
        return state

    def _whole(self, with_tensors: bool) -> State | None:
        """The saved state; one that is not what was written, or does not fit, is set aside."""
        self.file.clear()
        try:
            state = self.file.read(with_tensors)
            if state and with_tensors:
                self._check(state)
        except UNREADABLE as error:
            if isinstance(error, StudyError):
                raise
            self.file.set_aside(error)
            return None
        return state

    def _check(self, state: State) -> None:
        """See that the state is one of this model and optimiser.

        Raises:
            ValueError, KeyError: it is of another.
        """
        for name, tensor in trained_weights(self.model).items():
            if state.tensors[f"model.{name}"].shape != tensor.shape:
                raise ValueError(f"{name} has another shape")
        if len(state.facts["rates"]) != len(self.optimizer.param_groups):
            raise ValueError("the optimiser has other groups")


def trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters that are trained, and buffers, each once even where two names share it; the model's own tensors."""
    parameters = {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
    return parameters | dict(model.named_buffers())


def _part(state: State, kind: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `kind`, by the rest of their names."""
    return {name.removeprefix(f"{kind}."): t for name, t in state.tensors.items() if name.startswith(f"{kind}.")}


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
