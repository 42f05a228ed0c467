"""Where runs happen: in this process, in several on this machine, or wherever Parsl is configured to take them."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tcstudy.errors import StudyError, nearest
from tcstudy.study.workers import WorkerLost, end_with_parent

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


class LocalPool(Executor):
    """Processes of this machine; one that is lost is replaced by itself, while the others go on.

    Args:
        environments: what each process finds in its environment besides this one's; as many processes are used.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(environment,), daemon=True) for environment in environments
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future:
        """The future of a call; of one whose process is lost it raises `WorkerLost`."""
        future: Future = Future()
        self._waiting.put((future, function, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when what was submitted is done."""
        while cancel_futures and not self._waiting.empty():
            self._waiting.get()[0].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _serve(self, environment: Mapping[str, str]) -> None:
        """Do calls in one process, until there are no more."""
        process = _process(environment)
        while (call := self._waiting.get()) is not None:
            future, function, args, kwargs = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                try:
                    done = process.submit(function, *args, **kwargs)
                except BrokenExecutor:  # it was lost while it had nothing to do
                    process = _process(environment)
                    done = process.submit(function, *args, **kwargs)
                future.set_result(done.result())
            except BrokenExecutor as error:
                future.set_exception(WorkerLost(str(error)))
                process = _process(environment)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future is told
                future.set_exception(error)
        process.shutdown()


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
        with LocalPool(_environments(int(detail or 0))) as executor:
            yield executor
    elif kind == "parsl" and detail:
        try:
            from tcstudy.study.parsl_pool import ParslPool, read_config
        except ImportError:
            raise StudyError("Parsl is not installed: pip install parsl") from None
        with ParslPool(read_config(Path(detail))) as executor:
            yield executor
    else:
        raise StudyError(f"'{name}' is not an executor; {nearest(name, KINDS)}")


def _environments(number: int) -> list[dict[str, str]]:
    """What `number` processes (0: as many as there are GPUs) find in their environments."""
    gpus = _gpus()
    number = number or max(1, len(gpus))
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} for slot in range(number)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [{"OMP_NUM_THREADS": str(max(1, cores // number))}] * number


def _gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` calls them; asked without starting CUDA here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu]
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def _process(environment: Mapping[str, str]) -> ProcessPoolExecutor:
    """A process, started with the first call: not forked, since it would inherit torch's threads and no GPU."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(dict(environment),))


def _begin(environment: dict[str, str]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends this process, too, but is told by the first one only
    os.environ.update(environment)  # before torch is loaded, which reads it then
