"""Many runs in an order in which each finds the encoder that it begins with."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

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
