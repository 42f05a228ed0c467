"""Many runs in an order in which each finds the encoder that it begins with; done by an executor of any kind."""

import itertools
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass

from tcstudy.errors import StudyError, first_line
from tcstudy.spec import AnyRun, EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.executors import Inline
from tcstudy.study.workers import WorkerLost

Spec = AnyRun | EncoderSpec

ATTEMPTS = 3
"""How often a job is begun that fails for another reason than a mistake."""
LOSSES = 8
"""How often a job may lose its worker while nothing else gets done."""
PASSED_ON = ("TCSTUDY_", "GOMP_", "ACCELERATE_USE_CPU")
"""What the names of the environment variables begin with that workers elsewhere are given."""


@dataclass(frozen=True)
class Job:
    """Something to be made, a run or an encoder, and the identity of the encoder that has to be there before."""

    spec: Spec
    after: str | None = None


def jobs_for(runs: Iterable[AnyRun]) -> dict[str, Job]:
    """The jobs of `runs` by identity: before each run the encoders that it needs, each once.

    Stops of one pre-training come one after the other, so that each goes on from the one before.
    """
    runs = list(runs)
    encoders = {part.id: part for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
    before: dict[str, str | None] = {}
    stops: dict[str, list[EncoderSpec]] = {}
    for id, encoder in encoders.items():
        before[id] = encoder.before.id if encoder.before.stages else None
        if isinstance(encoder.stages[-1], PretrainingSpec):
            stops.setdefault(encoder.to_the_end.id, []).append(encoder)
    for several in stops.values():
        several.sort(key=lambda encoder: encoder.stages[-1].last_step)
        for earlier, later in itertools.pairwise(several):
            before[later.id] = earlier.id
    jobs: dict[str, Job] = {}

    def add(encoder: EncoderSpec) -> None:
        if encoder.id not in jobs:
            if (earlier := before[encoder.id]) is not None:
                add(encoders[earlier])
            jobs[encoder.id] = Job(encoder, earlier)

    for run in runs:
        staged = isinstance(run, RunSpec) and run.encoder.stages
        if staged:
            add(run.encoder)
        jobs.setdefault(run.id, Job(run, run.encoder.id if staged else None))
    return jobs


def do(
    jobs: Mapping[str, Job], executor: Executor, make: Callable[[Spec, Mapping[str, str] | None], bool]
) -> Iterator[tuple[Job, bool]]:
    """Do `jobs`, each when what it comes after is done, and tell of each when it is: whether there was anything to do.

    A job whose worker was lost is begun again, as long as anything gets done in between.

    Args:
        jobs: by identity.
        executor: does the work.
        make: called in a worker with what is to be made and this process's settings; without settings in this process.

    Raises:
        BrokenExecutor: the executor can do no more; jobs that were not told of may not be done.
        StudyError: a job found a mistake, or loses its worker whenever it is begun.
        Exception: what a job raised; no other job is begun after it.
    """
    after: dict[str, list[str]] = {}
    ready: deque[str] = deque()
    for id, job in jobs.items():
        (after.setdefault(job.after, []) if job.after in jobs else ready).append(id)
    here = isinstance(executor, Inline)
    settings = None if here else {name: text for name, text in os.environ.items() if name.startswith(PASSED_ON)}
    failures: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    running: dict[Future, str] = {}
    try:
        while ready or running:
            for id in [ready.popleft() for _ in range(min(1, len(ready)) if here else len(ready))]:
                running[executor.submit(make, jobs[id].spec, settings)] = id
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                id, error = running.pop(future), future.exception()
                if error is None:
                    losses.clear()
                    ready.extendleft(reversed(after.get(id, [])))  # what has just become possible comes first
                    yield jobs[id], future.result()
                elif here or isinstance(error, (StudyError, BrokenExecutor)):
                    raise error
                elif isinstance(error, WorkerLost):
                    losses[id] += 1
                    if losses[id] == LOSSES:
                        raise StudyError(
                            f"The worker that makes {id} was lost {LOSSES} times ({error}): has it memory enough? The "
                            "same command goes on."
                        ) from error
                    _say(f"a worker was lost; what it did is begun again: {id}")
                    ready.append(id)
                else:
                    failures[id] += 1
                    if failures[id] == ATTEMPTS:
                        raise error
                    _say(f"{id} failed and is begun again: {first_line(error)}")
                    ready.append(id)
    finally:
        for future in running:
            future.cancel()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
