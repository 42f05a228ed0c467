"""How everything is measured: with which encoder, how often, in which folders."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcstudy.bench import workloads
from tcstudy.bench.results import OWN, Comparison, Growth, Workload
from tcstudy.bench.tasks import Action, Task
from tcstudy.bench.turns import Spawn, go_through, in_a_process, take_turns
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.spec import EncoderSpec
from tcstudy.training.devices import make_accelerator

REPETITIONS, QUICK_REPETITIONS = 3, 1
EDGE = {"cpu": 4096}
EDGE_ELSEWHERE, QUICK_EDGE = 16_384, 256
AMOUNTS = {
    "documents": (1_000, 3_000, 10_000, 30_000, 100_000),
    "windows": (64, 128, 256, 512),
    "runs": (10, 100, 1_000, 10_000),
}
QUICK_AMOUNTS = {"documents": (10, 20), "windows": (8, 16), "runs": (2, 4)}


@dataclass(frozen=True)
class Plan:
    """How everything is measured.

    Attributes:
        encoder: a name of the catalogue or of the local encoders.
        repetitions: turns.
        quick: with hardly any work, to see that everything runs.
        folder: an empty one, for what is prepared.
        spawn: measures a task.
    """

    encoder: str
    repetitions: int
    quick: bool
    folder: Path
    spawn: Spawn = in_a_process

    def prepared(self, name: str, workload: Workload, save: Callable[[EncoderSpec, Workload, Path], None]) -> dict:
        """Draw the documents and save the weights of a measurement; the environment in which its processes find them.

        Raises:
            StudyError: data or encoder cannot be had.
        """
        folder = self.folder / name
        workloads.draw_documents(workload, folder / "data")
        save(EncoderSpec(name=self.encoder), workload, folder / "encoders" / workloads.START)
        return {
            "TCSTUDY_DATA": str(folder / "data"),
            "TCSTUDY_ENCODERS": str(folder / "encoders"),
            "HF_HUB_OFFLINE": "1",
        }

    @property
    def amounts(self) -> dict[str, tuple[int, ...]]:
        """How much growth is measured with."""
        return QUICK_AMOUNTS if self.quick else AMOUNTS

    def scaled(self, workload: Workload) -> Workload:
        """The workload, or what a quick run does of it."""
        longest = encoder_facts(self.encoder).max_length
        changed = workload.variant(workloads.QUICK) if self.quick else workload
        return changed.variant({"length": min(changed.length, longest)})

    def compared(self, name: str, title: str, workload: Workload, action: Action, rivals: Sequence[str]) -> Comparison:
        """The study beside its rivals."""
        workload = self.scaled(workload)
        save = workloads.save_heads if action == "pre-train" else workloads.save_classifier
        environment = self.prepared(name, workload, save)
        edge = QUICK_EDGE if self.quick else EDGE.get(make_accelerator().device.type, EDGE_ELSEWHERE)
        sides = {side: Task(action=action, side=side, workload=workload) for side in (OWN, *rivals)}
        ceiling = Task(action="multiply", amount=edge)
        turns = take_turns(ceiling, sides, self.repetitions, environment, self.spawn, teller(name))
        return Comparison(name=name, title=title, workload=workload, turns=tuple(turns))

    def grown(
        self, name: str, title: str, across: str, environment: Mapping[str, str], tasks: Mapping[int, Task]
    ) -> Growth:
        """The same with different amounts, by amount."""
        points = go_through(tasks, self.repetitions, environment, self.spawn, teller(name))
        return Growth(name=name, title=title, across=across, points=tuple(points))


def teller(name: str) -> Callable[[str], None]:
    """Tells what is being measured, on standard error."""
    return lambda line: print(f"{name}, {line}", file=sys.stderr, flush=True)
