"""What this machine is, beside what is asked of it: versions, memory, disks, devices."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.settings import Settings
from tcstudy.study.checks import Check
from tcstudy.study.speed import has_gpu

PACKAGE = "tcstudy"
GIB = 2**30
PROCESS_BYTES = 1.5 * GIB
"""Of a process with its libraries and a data set, before any encoder is there."""
TRAINING_BYTES = 20
"""For each weight: itself, its gradient, the optimiser's two moments, and the best epoch's copy."""
ACTIVATION_BYTES = 160
"""For each token, layer and number of a hidden state that the way back needs."""
USUAL_BUDGETS = (2048, 16_384)  # tokens at once without and with a GPU, as `training.devices` has them
NEARLY_FULL = 0.8


def check_versions(root: Path) -> Iterator[Check]:
    """Python and libraries beside what the package requires, and beside the lock of the checkout at `root`."""
    python = platform.python_version()
    wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"]
    if python not in SpecifierSet(wanted):
        yield Check("fail", "Python", f"Python {python} runs this; {wanted} is required.")
    required = [Requirement(line) for line in importlib.metadata.requires(PACKAGE) or []]
    required = [item for item in required if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = []
    for item in required:
        found = installed(item.name)
        if found is None or not item.specifier.contains(found, prereleases=True):
            wrong.append(f"{item.name} {found or 'is missing'}")
            yield Check("fail", item.name, f"{found or 'Nothing'} is installed; {item} is required.")
    if not wrong:
        yield Check("ok", "versions", f"Python {python} and {len(required)} libraries are as required.")
    other = sorted(name for name, number in _locked(root).items() if (installed(name) or number) != number)
    if other:
        yield Check("warn", "lock", f"{_some(other)} have other versions than requirements.lock; numbers may differ.")


def installed(name: str) -> str | None:
    """The version of a library without what names its build, or None if it is not installed."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _locked(root: Path) -> dict[str, str]:
    lock = root / "requirements.lock"
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", lock.read_text(), re.MULTILINE)) if lock.is_file() else {}


def _some(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def weights_of(facts: EncoderFacts) -> int:
    """Number of weights of an encoder, nearly: embeddings, and twelve times the squared width for each layer."""
    return (facts.vocabulary + facts.max_length) * facts.width + 12 * facts.layers * facts.width**2


def training_bytes(facts: EncoderFacts, budget: int) -> int:
    """Memory that training an encoder takes, nearly, with `budget` tokens going through it at once."""
    return TRAINING_BYTES * weights_of(facts) + ACTIVATION_BYTES * budget * facts.layers * facts.width


def check_memory(encoders: Mapping[str, EncoderFacts], budget: int | None) -> Check:
    """The memory of this machine beside what training the largest of the encoders takes."""
    gpu = has_gpu()
    budget = budget or USUAL_BUDGETS[gpu]
    sizes = {name: training_bytes(facts, budget) for name, facts in encoders.items()}
    largest = max(sizes, key=sizes.__getitem__, default=None)
    needed = PROCESS_BYTES + (sizes[largest] if largest and not gpu else 0)
    total, free = memory()
    told = f"about {needed / GIB:.1f} GiB are needed" + (f" to train {largest}" if largest and not gpu else "")
    sentence = f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free; {told}."
    if gpu and largest:
        import torch

        card_free, card_total = torch.cuda.mem_get_info() if torch.cuda.is_available() else (0, 0)
        sentence += f" The GPU has {card_free / GIB:.1f} free; about {sizes[largest] / GIB:.1f} are needed."
        if card_total and sizes[largest] > card_total:
            return Check("fail", "memory", f"{sentence} Set TCSTUDY_MICRO_BATCH_TOKENS to less than {budget:,}.")
    state = "fail" if needed > total else "warn" if needed > free else "ok"
    return Check(state, "memory", sentence)


def memory() -> tuple[int, int]:
    """Bytes of memory that this process may have at most, and those that are free."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = total
    if sys.platform == "linux":
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), total)
        for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
            if limit.is_file() and (text := limit.read_text().strip()).isdigit():
                total, free = min(total, int(text)), min(free, int(text))
    return total, free


def check_folders(settings: Settings, needed: Mapping[str, int]) -> Iterator[Check]:
    """The folders that are written, beside the bytes that are needed in each, by name."""
    for name, size in needed.items():
        folder = getattr(settings, name)
        variable = f"TCSTUDY_{name.upper()}"
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield Check("fail", name, f"{there} cannot be written: set {variable} to a folder that can be.")
            continue
        free = shutil.disk_usage(there).free
        told = f"{free / GIB:.1f} GiB are free in {folder}, about {max(size / GIB, 0.01):.2f} are needed"
        if size > free:
            yield Check("fail", name, f"{told}: make room, or set {variable} to another folder.")
        else:
            yield Check("warn" if size > NEARLY_FULL * free else "ok", name, f"{told}.")


def check_device(made_for: str | None) -> Check:
    """The device that runs would use; `made_for` names the card that a profile is meant for."""
    if has_gpu():
        from tcstudy.training.devices import device_name, make_accelerator

        return Check("ok", "device", f"Runs use {device_name(make_accelerator())}.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if made_for:
        return Check(
            "warn",
            "device",
            f"No GPU is found, {cores} cores of a CPU are; the profile is made for a card ({made_for}): tcstudy plan "
            "tells the hours.",
        )
    return Check("ok", "device", f"Runs use {cores} cores of the CPU; tcstudy plan tells the hours.")
