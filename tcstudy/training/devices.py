"""Which devices a run uses, and what is to be known of them."""

import ctypes
import functools
import os
import resource
import sys

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env

from tcstudy.encoding.batches import GROUP_TOKENS
from tcstudy.errors import StudyError
from tcstudy.settings import Precision, Settings

OTHER_GROUP_TOKENS = 8_192
"""As `GROUP_TOKENS`, on GPUs. About twelve milliseconds are needed to start what a BERT-base does with a micro-batch,
whatever its size; an H100 computes so many tokens meanwhile, others fewer, but wait for as much."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # from malloc.h


def make_accelerator() -> Accelerator:
    """Accelerate's view of the devices: those torch finds, or the CPU where `ACCELERATE_USE_CPU` is set.

    Under a launch of several processes each call gives this process's part of them.

    Raises:
        StudyError: `ACCELERATE_MIXED_PRECISION` asks for what is not supported.
    """
    keep_freed_memory()
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    precision = _precision(on_cpu)
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    return Accelerator(cpu=on_cpu, mixed_precision="bf16" if precision == "bf16" else "no")


def _precision(on_cpu: bool) -> Precision:
    """In what the encoder computes: what is asked for, else bf16 on GPUs that have it, else fp32.

    Accelerate's launcher sets `ACCELERATE_MIXED_PRECISION` to no where nobody asked for anything, so that is no wish.
    """
    launched_with = os.environ.get("ACCELERATE_MIXED_PRECISION") or "no"
    if launched_with not in ("no", "bf16"):
        raise StudyError(
            f"ACCELERATE_MIXED_PRECISION is '{launched_with}', but should be no or bf16: losses are not scaled."
        )
    if asked := Settings.read().precision:
        return asked
    has_it = not on_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_it or launched_with == "bf16" else "fp32"


@functools.cache
def keep_freed_memory() -> None:
    """Let the allocator keep what is freed, instead of returning it to the system and asking for it again each step.

    A step frees and takes hundreds of megabytes, and each page that comes from the system is cleared first. For glibc;
    elsewhere nothing changes.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def micro_batch_tokens(accelerator: Accelerator) -> int:
    """Tokens that go through an encoder at once: by the settings, or what is usual on this device."""
    return Settings.read().tokens_at_once(on_cpu=accelerator.device.type == "cpu")


def group_tokens_on(accelerator: Accelerator) -> int:
    """Tokens that would go through an encoder in the time that a micro-batch takes besides its own, on this device."""
    return GROUP_TOKENS if accelerator.device.type == "cpu" else OTHER_GROUP_TOKENS


def device_name(accelerator: Accelerator) -> str:
    """The name of a GPU and its precision, or the kind of another device and the threads it computes with."""
    precision = "bf16" if accelerator.mixed_precision == "bf16" else "fp32"
    if precision == "fp32" and torch.get_float32_matmul_precision() != "highest":
        precision = "tf32"
    kind = accelerator.device.type
    if kind == "cuda":
        return f"{torch.cuda.get_device_name(accelerator.device)}, {precision}"
    threads = f"{kind}, {torch.get_num_threads()} threads"
    return threads if precision == "fp32" else f"{threads}, {precision}"


def reset_peak_memory(accelerator: Accelerator) -> None:
    """Start counting anew, where the device can."""
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(accelerator.device)


def peak_memory(accelerator: Accelerator) -> int:
    """Bytes: of the GPU since the reset, else of the whole process so far."""
    if accelerator.device.type == "cuda":
        return torch.cuda.max_memory_allocated(accelerator.device)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
