"""How long planned work takes: on a GPU by what its vendor says and launches take, here by the seconds in records."""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.optimize import nnls

from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.catalog.gpus import GPUS, Gpu, gpu_facts
from tcstudy.errors import StudyError
from tcstudy.settings import MICRO_BATCH_TOKENS
from tcstudy.spec import PretrainingSpec, RunSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.plan import PagePlan, PlannedWork, known_facts
from tcstudy.study.record import Record
from tcstudy.study.work import Work, measuring_work, multitask_work, pretraining_work, run_work

UTILISATION = 0.35
"""Share of a GPU's peak that is assumed while it computes, in training and in prediction alike."""
PASS_SECONDS = 0.001
"""For a layer's kernels to be launched, forward and backward, however little they compute."""
OPTIMISER_BYTES = 50
"""Read and written for each weight in an update: by AdamW 28, by clipping 12, by zeroing 4, for a copy in bf16 6."""
CHECKPOINTS = 1 / 30
"""The share of training that saving its state takes at most."""
TOKENISED_PER_SECOND = 600_000
"""Wordpieces that one core makes of texts in a second."""
AT_ONCE = 2
"""Runs that share a GPU, where the plan says what that changes."""
USUAL_GPU = "h100"
"""For which hours are told where there is neither a GPU nor a record to tell them by."""
FEWEST = 5
"""Records of one kind and encoder from which seconds are told for that kind alone."""


class Speed(Protocol):
    """How fast a device is: its name, and in a sentence or two how that is known."""

    device: str
    told: str

    def seconds(self, part: PlannedWork) -> float:
        """Seconds that the device takes for a part of a plan."""


def hours(plan: PagePlan, speed: Speed) -> float:
    """Hours that a device takes for a plan."""
    return sum(map(speed.seconds, plan.parts)) / 3600


@dataclass(frozen=True)
class GpuSpeed:
    """A GPU that computes at `UTILISATION` of its peak, or waits for the host to launch kernels, whichever is longer.

    Attributes:
        gpu: which.
        at_once: runs that share it, each with a host process of its own, so that one computes while others launch.
        reason: a sentence that says why hours are told for it, or none.
    """

    gpu: Gpu
    at_once: int = 1
    reason: str = ""

    @property
    def device(self) -> str:
        """Its name in the table."""
        return self.gpu.name

    @property
    def told(self) -> str:
        """How the hours are found."""
        told = (
            f"Hours on {self.gpu.name} are those of one {self.gpu.title} ({self.gpu.memory} GB), one run at a time. "
            f"Each training takes the longer of two times: computing, at an assumed {UTILISATION:.0%} of its "
            f"{self.gpu.peak:g} TFLOP/s in {self.gpu.precision}, or launching kernels, at "
            f"{1000 * PASS_SECONDS:g} ms per layer and micro-batch for forward and backward pass. Only real tokens are "
            f"computed, and a batch of up to {MICRO_BATCH_TOKENS:,} tokens is one micro-batch. Tokenising and "
            "checkpoints are included."
        )
        return f"{told} {self.reason}".strip()

    def seconds(self, part: PlannedWork) -> float:
        """Seconds for a part of a plan, tokenising on one core included."""
        work, rate, launch = part.work, UTILISATION * self.gpu.peak * 1e12, PASS_SECONDS / self.at_once
        optimising = OPTIMISER_BYTES * work.updated_weights / (self.gpu.bandwidth * 1e9)
        training = max(work.training_operations / rate + optimising, launch * work.training_passes)
        forward = max(work.forward_operations / rate, launch / 3 * work.forward_passes)
        return (1 + CHECKPOINTS) * training + forward + work.tokenised / TOKENISED_PER_SECOND


@dataclass(frozen=True)
class RecordedSpeed:
    """A machine by what work like this took when records were made on it.

    Attributes:
        device: `here`.
        told: how this is known.
        rates: seconds for an operation of training, one of forward passes and an update, by kind and encoder; the
            kind is empty for all of an encoder, the encoder as well for all there are.
    """

    device: str
    told: str
    rates: Mapping[tuple[str, str], np.ndarray]

    def seconds(self, part: PlannedWork) -> float:
        """Seconds for a part of a plan, by the records of its kind and encoder, else of its encoder, else by all."""
        keys = ((part.kind, part.encoder), ("", part.encoder), ("", ""))
        rates = next(self.rates[key] for key in keys if key in self.rates)
        return float(_amounts(part.work) @ rates) + part.work.tokenised / TOKENISED_PER_SECOND


def recorded_speed(runs: Iterable[Record], encoders: Iterable[EncoderRecord], device: str) -> RecordedSpeed | None:
    """What records tell of the speed of this machine; None where none was made on such a device.

    Seconds are regressed on operations and updates, none of which can take less than no time, so that the relative
    errors are small.

    Args:
        runs, encoders: records; those of bags of words tell nothing.
        device: how the name of the device in a record begins, "cpu" for example. Of several such devices the one of
            the latest record counts.
    """
    records = [record for record in runs if isinstance(record.spec, RunSpec)] + list(encoders)
    made = [record for record in records if record.provenance.device.startswith(device)]
    if not made:
        return None
    on = max(made, key=lambda record: record.provenance.made).provenance.device
    made = [record for record in made if record.provenance.device == on]
    groups: dict[tuple[str, str], list[tuple[Work, float]]] = {}
    facts_of = functools.cache(known_facts)  # read from the settings' folder each time
    for record in made:
        with suppress(StudyError):  # of the hub, and not fetched: its size is not known
            part, seconds = _timed(record, facts_of)
            for key in ((part.kind, part.encoder), ("", part.encoder), ("", "")):
                groups.setdefault(key, []).append((part.work, seconds))
    if not groups:
        return None
    kept = {key: timed for key, timed in groups.items() if len(timed) >= FEWEST or key == ("", "")}
    used = len(groups["", ""])
    told = (
        f"Hours here are estimated from the seconds of {used:,} recorded trainings ({on}), by operations and updates: "
        "from trainings of the same encoder and kind if there are any, else of the same encoder, else from all."
    )
    return RecordedSpeed("here", told, {key: _regressed(timed) for key, timed in kept.items()})


def _timed(
    record: Record | EncoderRecord, facts_of: Callable[[str, str | None], EncoderFacts]
) -> tuple[PlannedWork, float]:
    """A record's training as it would have been planned if its tokens had been known, and the seconds that it took."""
    encoder = record.spec.encoder if isinstance(record, Record) else record.spec
    facts = facts_of(encoder.name, encoder.revision)
    if isinstance(record, Record):
        kind, work = "fine-tuning", run_work(record.spec, facts)
    elif isinstance(encoder.stages[-1], PretrainingSpec):
        kind, work = "pre-training", pretraining_work(encoder, facts) + measuring_work(encoder, facts)
    else:
        kind, work = "multi-task", multitask_work(encoder, facts)
    if work.training_tokens:
        computed = work.training_operations * record.cost.tokens / work.training_tokens
        work = replace(work, training_operations=round(computed))
    return PlannedWork(kind, encoder.name, work), record.cost.training_seconds + record.cost.evaluation_seconds


def _amounts(work: Work) -> np.ndarray:
    """What seconds depend on, shape (3,)."""
    return np.array([work.training_operations, work.forward_operations, work.updates], dtype=float)


def _regressed(timed: Sequence[tuple[Work, float]]) -> np.ndarray:
    """Seconds for each of `_amounts`, shape (3,), by non-negative least squares of the relative errors."""
    amounts = np.stack([_amounts(work) / seconds for work, seconds in timed])  # (records, 3)
    scale = amounts.max(axis=0)
    scale[scale == 0] = 1.0
    return nnls(amounts / scale, np.ones(len(timed)))[0] / scale


def choose_speeds(
    plans: Sequence[PagePlan], made_for: Sequence[str | None], here: Speed | None, gpu: str | None = None
) -> list[Speed | None]:
    """The speed at which the hours of each page are told; None for a page with nothing to compute.

    It is that of the GPU that is asked for; else that of the GPU that the page's profile is made for, where there is
    none here; else this machine's by its records, and that of a usual GPU where there are no records.

    Args:
        plans, made_for: for each page its plan, and the GPU that its profile is made for, or None.
        here: the speed of this machine, or None if it is not known.
        gpu: the GPU that is asked for, or None.

    Raises:
        StudyError: there is no such GPU.
    """
    if gpu:
        speeds = [GpuSpeed(gpu_facts(gpu)) for _ in plans]
    else:
        unknown = GpuSpeed(gpu_facts(USUAL_GPU), reason="No record shows how long such work takes here.")
        without = "There is no GPU here, and the profile is made for one."
        instead = [None if has_gpu() else name for name in made_for]
        speeds = [GpuSpeed(gpu_facts(name), reason=without) if name else here or unknown for name in instead]
    return [speed if plan.parts else None for plan, speed in zip(plans, speeds, strict=True)]


def speed_here(runs: Iterable[Record], encoders: Iterable[EncoderRecord]) -> Speed | None:
    """The speed of this machine: by records made on such a device, else of its GPU by the table; None if unknown."""
    name = gpu_here()
    if name is None:
        return recorded_speed(runs, encoders, "cpu")
    words = name.lower().replace("-", " ").split()
    listed = [gpu for gpu in GPUS.values() if all(word in words for word in gpu.name.split("-"))]
    return recorded_speed(runs, encoders, name) or (GpuSpeed(listed[0]) if listed else None)


def has_gpu() -> bool:
    """Whether runs of this process would use a GPU; loads torch only where there is a driver of one."""
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA's, the one of Linux within Windows, AMD's
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in drivers):
        return False
    from tcstudy.training.devices import make_accelerator

    return make_accelerator().device.type != "cpu"


def gpu_here() -> str | None:
    """The name of the GPU that runs of this process would use, or None."""
    if not has_gpu():
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else str(torch.accelerator.current_accelerator())
