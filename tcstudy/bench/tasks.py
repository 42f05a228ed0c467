"""What a process of the bench is asked to measure, and what all of them need."""

import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import datasets
import torch
from pydantic import Field

from tcstudy.bench.results import OWN, Workload
from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.settings import Settings
from tcstudy.study.work import Body
from tcstudy.value import Count, Value

Action = Literal[
    "multiply",
    "fine-tune",
    "pre-train",
    "predict",
    "tokenise",
    "plan batches",
    "plan runs",
    "load records",
]


class Task(Value):
    """One measurement, made by one process.

    Attributes:
        action: what is done.
        side: by whom.
        workload: on which documents; None where there are none.
        amount: edge of the matrices, documents or runs, for actions that are done with different amounts.
        encoder: the name that specs of runs give, where runs are planned or loaded.
        seed: of orders, masks and dropout.
    """

    action: Action
    side: str = OWN
    workload: Workload | None = None
    amount: Count = 1
    encoder: str = ""
    seed: Annotated[int, Field(ge=0)] = 0


def drawn_documents(workload: Workload) -> datasets.Dataset:
    """The documents of `workload`, columns `text` and `label`, from the folder that was prepared for it."""
    settings = Settings.read()
    datasets.disable_progress_bars()
    path = settings.data / workload.dataset / "train.parquet"
    return datasets.Dataset.from_parquet(str(path), cache_dir=str(settings.cache / "arrow"))


def forward_operations(lengths: Sequence[int], facts: EncoderFacts) -> int:
    """Operations of inputs of so many real tokens on their way forward, each attending to its own tokens only."""
    return sum(Body(facts.layers, facts.width, length).forward(length) for length in lengths)


def wait_for_device() -> None:
    """Let the device end what it was asked to do, before a clock is read."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def peak_memory() -> int:
    """Bytes: of the GPU if there is one, else the most that this process held.

    The usual counter of a process begins with what its parent held; Linux has one that does not.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
