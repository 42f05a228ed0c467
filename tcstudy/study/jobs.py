"""Many runs in an order in which each finds the encoder that it begins with."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tcstudy.errors import StudyError, nearest, shown
from tcstudy.spec import AnyRun, EncoderSpec, PretrainingSpec, RunSpec

Spec = AnyRun | EncoderSpec


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


KINDS = ("inline", "local", "local:<processes>", "parsl:<file>")


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
