"""Measurements one after the other, never two at a time: each in a process of its own, the sides in turn."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tcstudy.bench.results import OWN, Point, Startup, Timing, Turn
from tcstudy.bench.tasks import Task
from tcstudy.errors import StudyError, printable

Spawn = Callable[[Task, Mapping[str, str]], Timing]
"""Measures a task in another environment: that of this process with some variables changed."""

OWN_SETTINGS = ("GOMP_SPINCOUNT",)
"""What the command line sets for the study's processes; others are measured as they are without it."""


def in_a_process(task: Task, environment: Mapping[str, str]) -> Timing:
    """Measure `task` in a new process, which finds nothing in its cache.

    Raises:
        StudyError: the process failed.
    """
    inherited = {name: value for name, value in os.environ.items() if task.side == OWN or name not in OWN_SETTINGS}
    with tempfile.TemporaryDirectory() as temporary:
        given, result = Path(temporary) / "task.json", Path(temporary) / "result.json"
        given.write_text(task.model_dump_json())
        command = [sys.executable, "-m", "tcstudy.bench.worker", str(given), str(result)]
        cache = {"TCSTUDY_CACHE": str(Path(temporary) / "cache")}
        _run(command, inherited | dict(environment) | cache, f"{task.side}, {task.action}")
        return Timing.model_validate_json(result.read_text())


def take_turns(
    ceiling: Task,
    sides: Mapping[str, Task],
    repetitions: int,
    environment: Mapping[str, str],
    spawn: Spawn,
    tell: Callable[[str], None],
) -> list[Turn]:
    """Measure the ceiling and all sides, then all again: A B C, A B C.

    Args:
        ceiling: the matrix product.
        sides: what each does; every turn has a seed of its own, the same for all.
        repetitions: turns.
        environment: variables that are changed for all processes.
        spawn: measures a task.
        tell: is told what is measured.
    """
    turns = []
    for number in range(repetitions):
        timings = {}
        product = spawn(ceiling, environment)
        for side, task in sides.items():
            tell(f"turn {number + 1} of {repetitions}: {side}")
            timings[side] = spawn(task.model_copy(update={"seed": number}), environment)
        turns.append(Turn(ceiling=product, sides=timings))
    return turns


def go_through(
    tasks: Mapping[int, Task],
    repetitions: int,
    environment: Mapping[str, str],
    spawn: Spawn,
    tell: Callable[[str], None],
) -> list[Point]:
    """Measure each amount of work, by amount, then all again."""
    timings: dict[int, list[Timing]] = {amount: [] for amount in tasks}
    for number in range(repetitions):
        for amount, task in tasks.items():
            tell(f"turn {number + 1} of {repetitions}: {amount:,}")
            timings[amount].append(spawn(task, environment))
    return [Point(amount=amount, timings=tuple(several)) for amount, several in timings.items()]


def time_commands(
    commands: Mapping[tuple[str, str], Sequence[str]],
    repetitions: int,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> list[Startup]:
    """Wall-clock seconds of commands, by name and title, in turn; the first turn, which fills caches, does not count.

    Raises:
        StudyError: a command failed.
    """
    seconds: dict[tuple[str, str], list[float]] = {named: [] for named in commands}
    for number in range(repetitions + 1):
        tell(f"turn {number} of {repetitions}" if number else "once before")
        for (name, title), command in commands.items():
            started = time.perf_counter()
            _run(command, os.environ | dict(environment), title)
            if number:
                seconds[name, title].append(time.perf_counter() - started)
    return [Startup(name=name, title=title, seconds=tuple(taken)) for (name, title), taken in seconds.items()]


def _run(command: Sequence[str], environment: Mapping[str, str], what: str) -> None:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise StudyError(f"The measurement failed ({what}): {printable(last[:300])}")
