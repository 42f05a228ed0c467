"""Parsl as an executor for many runs: what is lost is told, what hangs is ended, nothing outlives the driver."""

import contextlib
import fcntl
import math
import os
import re
import runpy
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from pathlib import Path
from typing import Any

import parsl
import psutil
from parsl.concurrent import ParslPoolExecutor
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput import errors
from parsl.executors.high_throughput.executor import DEFAULT_INTERCHANGE_LAUNCH_CMD, DEFAULT_LAUNCH_CMD
from parsl.jobs.errors import TooManyJobFailuresError

from tcstudy.errors import StudyError, first_line
from tcstudy.settings import Settings
from tcstudy.study.workers import WorkerLost, end_with_parent

LOOK = 10.0
"""Seconds between two looks at the workers."""
STUCK = 120.0
"""Seconds for which a block may have a job that no process is working on."""


def read_config(path: Path) -> Config:
    """The configuration that a Python file calls `config`, so that its workers end with this process.

    Raises:
        StudyError: there is no such file, or no configuration in it.
    """
    if not path.is_file():
        raise StudyError(f"{path} is missing: the configuration of Parsl, a Python file with a variable `config`.")
    try:
        config = runpy.run_path(str(path))["config"]
    except StudyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's file raises
        raise StudyError(f"{path} cannot be used as a configuration of Parsl ({first_line(error)}).") from None
    if not isinstance(config, Config):
        raise StudyError(f"{path}: `config` should be a parsl.config.Config, but is a {type(config).__name__}.")
    if config.run_dir == Config().run_dir:
        config.run_dir = str(Settings.read().root / "_build" / "parsl" / f"{socket.gethostname()}-{os.getpid()}")
    for executor in _executors_of(config):
        if list(executor.interchange_launch_cmd) == DEFAULT_INTERCHANGE_LAUNCH_CMD:
            executor.interchange_launch_cmd = [sys.executable, "-m", "tcstudy.study.interchange", str(os.getpid())]
        if executor.launch_cmd == DEFAULT_LAUNCH_CMD:
            manager = "python3 -m tcstudy.study.manager"  # of the environment that the file has made the node's
            executor.launch_cmd = DEFAULT_LAUNCH_CMD.replace("process_worker_pool.py", manager, 1)
    return config


class ParslPool(Executor):
    """The workers that a configuration describes, at once; given up when it is closed, whatever they are doing.

    Parsl's workers take their jobs from a queue that is left locked if one is killed in the wrong moment: its block
    then has a job that nobody is working on, for ever. Each worker holds a lock while it works; a block with more jobs
    than held locks is cancelled, and what it had is lost and can be begun again.

    Raises:
        StudyError: Parsl cannot be started.
    """

    def __init__(self, config: Config) -> None:
        try:
            self._pool = ParslPoolExecutor(config)
        except Exception as error:
            raise StudyError(f"Parsl cannot be started with this configuration ({first_line(error)}).") from error
        self._executors = _executors_of(config)
        self._locks = Path(parsl.dfk().run_dir).absolute() / "at_work"
        self._locks.mkdir()
        self._futures: set[Future] = set()
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._look_after_workers, daemon=True)
        self._watch.start()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future:
        """The future of a call; where its worker is lost it raises `WorkerLost`, where all are `BrokenExecutor`."""
        future: Future = Future()
        future.set_running_or_notify_cancel()  # Parsl cancels nothing
        self._futures.add(future)

        def tell(done: Future) -> None:
            error = done.exception()
            self._tell(future, error, None if error else done.result())

        self._pool.submit(at_work, str(self._locks), function, args, kwargs).add_done_callback(tell)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give up the workers; jobs that are not done stay undone."""
        self._closing.set()
        self._watch.join(LOOK)
        if any(_has_ended(executor) for executor in self._executors):  # then Parsl waits for ever when it is closed
            for executor in self._executors:
                executor.provider.cancel(list(executor.blocks_to_job_id.values()))
            parsl.clear()
        else:
            self._pool.shutdown(wait=False)

    def _tell(self, future: Future, error: BaseException | None, result: Any = None) -> None:
        if isinstance(error, errors.WorkerLost | errors.ManagerLost):
            error = WorkerLost(str(error))
        elif isinstance(error, BadStateException | TooManyJobFailuresError | errors.VersionMismatch):
            error = BrokenExecutor(reason_of(str(error), os.path.relpath(self._locks.parent)))
        self._futures.discard(future)
        with contextlib.suppress(InvalidStateError):  # told before, when all was lost
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _look_after_workers(self) -> None:
        """Tell when all is lost, and cancel the blocks that are stuck."""
        since: dict[str, float] = {}
        while not self._closing.wait(LOOK):
            if any(_has_ended(executor) for executor in self._executors):
                for future in list(self._futures):
                    self._tell(future, BrokenExecutor("the interchange of Parsl is gone"))
                return
            now = time.monotonic()
            jobs = {job: executor for executor in self._executors for job in self._waiting_jobs(executor)}
            since = {job: since.get(job, now) for job in jobs}
            for job in [job for job, start in since.items() if now - start >= STUCK]:
                jobs[job].provider.cancel([job])
                since[job] = math.inf

    def _waiting_jobs(self, executor: HighThroughputExecutor) -> set[str]:
        """The blocks, as the cluster calls them, in which something waits that a worker should be working on."""
        waiting = set()
        for manager in executor.connected_managers():
            working = sum(map(_is_held, self._locks.glob(f"{manager['manager']}.*")))
            if working < min(manager["tasks"], manager["worker_count"]):
                waiting.add(executor.blocks_to_job_id[manager["block_id"]])
        return waiting


def at_work(locks: str, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Call `function` in a worker of Parsl's, with a lock held in the folder `locks` as long as that lasts."""
    siblings = psutil.Process(os.getppid()).children()  # among them one of the manager's that would go on without it
    end_with_parent(lambda: _kill(siblings))
    name = ".".join(os.environ.get(f"PARSL_WORKER_{part}", "none") for part in ("POOL_ID", "RANK"))
    with (Path(locks) / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return function(*args, **kwargs)


def reason_of(message: str, folder: str) -> str:
    r"""What the cluster itself said, in one line, if Parsl's message quotes it; else the message and where to look.

    >>> reason_of("Cannot launch job:\nrecode=1, stdout=, stderr=sbatch: error: no such\npartition", "runs")
    'sbatch: error: no such partition'
    >>> reason_of("Workers failed to register", "runs")
    'look into runs: Workers failed to register'
    """
    before, *said = re.split("STDERR: |stderr=", " ".join(message.split()))
    return said[-1] if said else f"look into {folder}: {before}"


def _has_ended(executor: HighThroughputExecutor) -> bool:
    return executor.interchange_proc.poll() is not None


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _executors_of(config: Config) -> list[HighThroughputExecutor]:
    return [executor for executor in config.executors if isinstance(executor, HighThroughputExecutor)]
