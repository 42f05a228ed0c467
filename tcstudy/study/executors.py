"""Where runs happen: in this process, in several on this machine, or wherever Parsl is configured to take them."""

import multiprocessing
import os
import runpy
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tcstudy.errors import StudyError, first_line, nearest

KINDS = ("inline", "local", "local:<processes>", "parsl:<file>")


class Inline(Executor):
    """Does what is submitted at once, in this process."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future:
        """The finished future of a call."""
        future: Future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever waits for the future is told
            future.set_exception(error)
        return future


@contextmanager
def open_executor(name: str) -> Iterator[Executor]:
    """The executor called `name`, closed afterwards.

    `inline` is this process. `local` is a process for each GPU, which sees that one only; without a GPU a single one;
    `local:4` is four processes that share the processor's cores, or the GPUs in turn. `parsl:cluster.py` is what the
    variable `config` in that file describes, a `parsl.config.Config`.

    Raises:
        StudyError: there is no such executor, or Parsl or its configuration cannot be had.
    """
    kind, _, detail = name.partition(":")
    if kind == "inline" and not detail:
        with Inline() as executor:
            yield executor
    elif kind == "local" and (not detail or (detail.isdigit() and int(detail))):
        with _processes(int(detail or 0)) as executor:
            yield executor
    elif kind == "parsl" and detail:
        with _parsl(Path(detail)) as executor:
            yield executor
    else:
        raise StudyError(f"'{name}' is not an executor; {nearest(name, KINDS)}")


def _processes(number: int) -> ProcessPoolExecutor:
    gpus = _gpus()
    number = number or max(1, len(gpus))
    spawn = multiprocessing.get_context("spawn")  # a forked process cannot use a GPU, and inherits torch's threads
    slots = spawn.Queue()
    for slot in range(number):
        slots.put(_environment_of(slot, number, gpus))
    return ProcessPoolExecutor(number, spawn, initializer=_take_slot, initargs=(slots,))


def _gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` calls them; asked without starting CUDA here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu]
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def _environment_of(slot: int, number: int, gpus: list[str]) -> dict[str, str]:
    if gpus:
        return {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // number))}


def _take_slot(slots: Any) -> None:
    os.environ.update(slots.get(timeout=60))  # before torch is loaded, which reads it then


@contextmanager
def _parsl(path: Path) -> Iterator[Executor]:
    try:
        from parsl.concurrent import ParslPoolExecutor
    except ImportError:
        raise StudyError("Parsl is not installed: pip install parsl") from None
    if not path.is_file():
        raise StudyError(f"{path} is missing: the configuration of Parsl, a Python file with a variable `config`.")
    try:
        config = runpy.run_path(str(path))["config"]
    except Exception as error:  # noqa: BLE001 - whatever the user's file raises
        raise StudyError(f"{path} cannot be used as a configuration of Parsl ({first_line(error)}).") from None
    with ParslPoolExecutor(config) as executor:
        yield executor
