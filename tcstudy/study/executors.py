"""Runs and the encoders that they begin with as jobs, in an order that suits them, and where these are done.

That is in this process, or by workers that Parsl keeps on this machine or wherever a file sends them.
"""

import os
import re
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tcstudy.errors import StudyError, first_line, nearest, shown
from tcstudy.settings import Settings, cores
from tcstudy.spec import AnyRun, EncoderSpec, PretrainingSpec, RunSpec

Spec = AnyRun | EncoderSpec

KINDS = ("inline", "local", "local:<processes>", "parsl:<file>")
"""How an executor may be called."""
ATTEMPTS, LOSSES = 3, 8
"""How often a job is begun that fails for another reason than a mistake, or whose worker is lost while nothing ends."""
PASSED_ON = ("TCSTUDY_", "GOMP_", "ACCELERATE_USE_CPU")
"""What the names of the environment variables begin with that workers elsewhere are given."""
LOOK, STUCK, GRACE = 10, 120, 15
"""Seconds: between looks at the workers; a block may have a task that none of them begins; see `_running`."""


@dataclass(frozen=True)
class Job:
    """Something to be made, a run or an encoder, and the identity of the encoder that has to be there before."""

    spec: Spec
    after: str | None = None


def jobs_for(runs: Iterable[AnyRun]) -> dict[str, Job]:
    """The jobs of `runs` by identity: before each run the encoders that it needs, each once.

    Stops of one pre-training come one after the other, so that each continues the one before.
    """
    runs = list(runs)
    encoders = {part.id: part for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
    before = {id: encoder.before.id if encoder.before.stages else None for id, encoder in encoders.items()}
    stops = [encoder for encoder in encoders.values() if isinstance(encoder.stages[-1], PretrainingSpec)]
    stops.sort(key=lambda encoder: (encoder.to_the_end.id, encoder.stages[-1].last_step))
    for earlier, later in pairwise(stops):
        if earlier.to_the_end == later.to_the_end:
            before[later.id] = earlier.id
    jobs: dict[str, Job] = {}

    def add(spec: Spec, after: str | None) -> None:
        if after is not None:
            add(encoders[after], before[after])
        jobs.setdefault(spec.id, Job(spec, after))

    for run in runs:
        add(run, run.encoder.id if isinstance(run, RunSpec) and run.encoder.stages else None)
    return jobs


def do(
    jobs: Mapping[str, Job],
    submit: Callable[..., Future] | None,
    make: Callable[[Spec, Mapping[str, str] | None], bool],
) -> Iterator[tuple[Job, bool]]:
    """Do `jobs`, each when what it comes after is done, and tell of each when it is: whether there was anything to do.

    A job whose worker was lost is begun again, as long as anything gets done in between.

    Args:
        jobs: by identity.
        submit: as `open_executor` gives it.
        make: called in a worker with what is to be made and this process's settings; without settings in this process.

    Raises:
        BrokenExecutor: there are no workers any more; jobs that were not told of may not be done.
        StudyError: a job found a mistake, or loses its worker whenever it is begun.
        Exception: what a job raised; no other job is begun after it.
    """
    if submit is None:
        for job in jobs.values():
            yield job, make(job.spec, None)
        return
    from parsl.executors.errors import BadStateException
    from parsl.executors.high_throughput.errors import ManagerLost, VersionMismatch, WorkerLost
    from parsl.jobs.errors import TooManyJobFailuresError

    ready = deque(id for id, job in jobs.items() if job.after not in jobs)
    settings = {name: text for name, text in os.environ.items() if name.startswith(PASSED_ON)}
    begun: Counter[tuple[str, bool]] = Counter()
    running: dict[Future, str] = {}
    while ready or running:
        while ready:
            id = ready.popleft()
            running[submit(make, jobs[id].spec, settings)] = id
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            id, error = running.pop(future), future.exception()
            if error is None:
                begun = Counter({(other, lost): times for (other, lost), times in begun.items() if not lost})
                ready.extend(other for other, job in jobs.items() if job.after == id)
                yield jobs[id], future.result()
            elif isinstance(error, BadStateException | TooManyJobFailuresError | VersionMismatch | BrokenExecutor):
                quoted = re.split("STDERR: |stderr=", " ".join(str(error).split()))[-1]  # what the cluster said
                raise BrokenExecutor(quoted) from error
            else:
                lost = isinstance(error, WorkerLost | ManagerLost)
                begun[id, lost] += 1
                if lost and begun[id, lost] == LOSSES:
                    told = f"The worker that makes {id} was lost {LOSSES} times ({error}): does it have enough memory?"
                    raise StudyError(f"{told} The same command continues.") from error
                if isinstance(error, StudyError) or (not lost and begun[id, lost] == ATTEMPTS):
                    raise error
                what = "a worker was lost; what it did" if lost else f"{first_line(error)}: what failed so"
                print(f"{what} is begun again: {id}", file=sys.stderr, flush=True)
                ready.append(id)


def executor_of(name: str) -> tuple[str, str]:
    """The kind of an executor, and its number of processes or its file.

    Raises:
        StudyError: there is no such executor, or its file is missing.
    """
    kind, _, detail = name.partition(":")
    known = {"inline": not detail, "local": not detail or (detail.isdigit() and int(detail) > 0), "parsl": bool(detail)}
    if not known.get(kind):
        raise StudyError(f"{shown(name)} is not an executor; {nearest(name, KINDS)}")
    if kind == "parsl" and not Path(detail).is_file():
        raise StudyError(f"{detail} is missing: the configuration of Parsl, a Python file with a variable `config`.")
    return kind, detail


@contextmanager
def open_executor(name: str) -> Iterator[Callable[..., Future] | None]:
    """What submits calls to the executor called `name`, whose workers are given up afterwards, busy or not.

    `inline` is this process, to which nothing is submitted: None. `local` is a process for each GPU, which sees that
    one only; without a GPU a single one; `local:4` is four processes that share the processor's cores, or the GPUs in
    turn. `parsl:cluster.py` is what the variable `config` in that file describes, a `parsl.config.Config`.

    Raises:
        StudyError: there is no such executor, or Parsl or its configuration is not available.
    """
    config, slots = _configuration(name)
    if config is None:
        yield None
        return
    with _running(config) as (pool, locks):
        yield partial(pool.submit, _work, str(locks), slots)


def check_executor(name: str) -> None:
    """See that an executor can be opened, as far as this can be told without asking for workers.

    Raises:
        StudyError: as `open_executor`.
    """
    _configuration(name)


def _configuration(name: str) -> tuple[Any, list[str]]:
    """Parsl's configuration of an executor, None for `inline`, and the GPU of each of its workers on this machine."""
    kind, detail = executor_of(name)
    if kind == "inline":
        return None, []
    try:
        from parsl.config import Config
    except ImportError:
        raise StudyError(
            f"The executor {name} needs Parsl: pip install 'tcstudy[cluster]', or in a clone make dev"
        ) from None
    slots = _slots(int(detail or 0)) if kind == "local" else []
    config = _local_config(slots) if kind == "local" else _read_config(Path(detail))
    if config.run_dir == Config().run_dir:
        config.run_dir = str(Settings.read().root / "_build" / "parsl" / f"{socket.gethostname()}-{os.getpid()}")
    return config, slots


def _work(locks: str, slots: Sequence[str], function: Callable, *args: Any) -> Any:
    """Call `function` in a worker, which holds a lock meanwhile, and sees the GPU of its slot alone."""
    manager, rank = (os.environ.get(f"PARSL_WORKER_{part}", "") for part in ("POOL_ID", "RANK"))
    if any(slots):
        os.environ["CUDA_VISIBLE_DEVICES"] = slots[int(rank)]  # before torch is loaded, which reads it then
    with FileLock(Path(locks) / f"{manager}.{rank}"):
        return function(*args)


def _slots(number: int) -> list[str]:
    """The GPU of each of `number` workers (0: one for each GPU) as `CUDA_VISIBLE_DEVICES` calls it; "" without GPUs."""
    devices = ",".join(path.name[6:] for path in sorted(Path("/dev").glob("nvidia[0-9]*")))  # CUDA is not started here
    gpus = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", devices).split(",") if gpu] or [""]
    return [gpus[slot % len(gpus)] for slot in range(number or len(gpus))]


def _local_config(slots: Sequence[str]) -> Any:
    """Workers of this machine, one for each slot, in a block that ends within seconds when this process is gone."""
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler
    from parsl.providers import LocalProvider

    begin = f"""
        export PATH={shlex.quote(sysconfig.get_path("scripts"))}:$PATH
        {"" if any(slots) else f"export OMP_NUM_THREADS={max(1, cores() // len(slots))}"}
        (while kill -0 {os.getpid()} && kill -0 $$; do sleep 2; done; kill -KILL 0) 2>/dev/null &
    """
    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        max_workers_per_node=len(slots),
        cores_per_worker=1e-3,  # as many workers as there are slots, whatever the cores
        heartbeat_period=2,  # and so soon a worker is replaced
        heartbeat_threshold=60,
        block_error_handler=windowed_error_handler,
        provider=LocalProvider(max_blocks=1, worker_init=begin),
    )
    return Config(executors=[executor], strategy_period=1)


def _read_config(path: Path) -> Any:
    from parsl.config import Config

    try:
        config = runpy.run_path(str(path))["config"]
    except Exception as error:  # noqa: BLE001 - whatever the user's file raises
        raise StudyError(f"{path} cannot be used as a Parsl configuration ({first_line(error)}).") from None
    if not isinstance(config, Config):
        raise StudyError(f"{path}: `config` should be a parsl.config.Config, not a {type(config).__name__}.")
    return config


@contextmanager
def _running(config: Any) -> Iterator[tuple[Any, Path]]:
    """Parsl at work, and the folder for its workers' locks; nothing of it outlives this process, however that ends.

    If this process is killed, a shell that sees its input end takes away the interchange, without which managers end,
    too; after `GRACE` seconds, since a manager that begins just then would wait for its welcome for ever.
    """
    import parsl
    from parsl.concurrent import ParslPoolExecutor

    scripts, path = sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = f"{scripts}{os.pathsep}{path}"  # where Parsl looks for its own programs
    main, closing = threading.current_thread() is threading.main_thread(), threading.Event()
    handler = main and signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the interchange; we answer Ctrl-C
    try:
        pool = ParslPoolExecutor(config)
    except Exception as error:
        raise StudyError(f"Parsl cannot be started with this configuration ({first_line(error)}).") from error
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
    executors = [executor for executor in config.executors if hasattr(executor, "interchange_proc")]
    interchanges = [executor.interchange_proc for executor in executors]
    guard = ["sh", "-c", f'cat; sleep {GRACE}; kill -KILL "$@"', "sh", *(str(process.pid) for process in interchanges)]
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    (locks := Path(parsl.dfk().run_dir).absolute() / "at_work").mkdir()
    with subprocess.Popen(guard, stdin=subprocess.PIPE, **nowhere) as shell:
        watch = threading.Thread(target=_look_after, args=(executors, locks, closing), daemon=True)
        watch.start()
        try:
            yield pool, locks
        finally:
            closing.set()
            watch.join(LOOK)
            if all(process.poll() is None for process in interchanges):
                pool.shutdown(wait=False)
            else:  # then Parsl would wait for its answer for ever
                for executor in executors:
                    executor.provider.cancel(list(executor.blocks_to_job_id.values()))
                parsl.clear()
            shell.kill()


def _look_after(executors: Sequence[Any], locks: Path, closing: threading.Event) -> None:
    """Tell when all is lost, and cancel the blocks that are stuck.

    A worker that is killed while it waits for a task leaves their queue locked. Its block then has tasks that nobody
    begins, for ever: more than there are workers that hold a lock.
    """
    since: dict[str, float] = {}
    while not closing.wait(LOOK):
        jobs = {}
        for executor in executors:
            if executor.interchange_proc.poll() is not None:
                return executor.set_bad_state_and_fail_all(BrokenExecutor("the interchange of Parsl is gone"))
            for manager in executor.connected_managers():
                working = sum(map(_is_held, locks.glob(f"{manager['manager']}.*")))
                if working < min(manager["tasks"], manager["worker_count"]):
                    jobs[executor.blocks_to_job_id[manager["block_id"]]] = executor
        since = {job: since.get(job, time.monotonic()) for job in jobs}
        for job in [job for job, start in since.items() if time.monotonic() - start >= STUCK]:
            jobs[job].provider.cancel([job])


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
