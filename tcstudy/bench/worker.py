"""A process of the bench: reads what to measure, measures it, writes down the timing, ends.

`python -m tcstudy.bench.worker TASK RESULT`, two JSON files.
"""

import importlib
import sys
from pathlib import Path

from tcstudy.bench.results import OWN, Timing
from tcstudy.bench.tasks import Task


def perform(task: Task) -> Timing:
    """Measure what the task asks for, in this process."""
    return getattr(importlib.import_module(module_for(task)), task.action.replace("-", "_").replace(" ", "_"))(task)


def module_for(task: Task) -> str:
    """The module whose function, called like the action, does it; only this one is loaded.

    >>> module_for(Task(action="multiply")), module_for(Task(action="predict", side="Trainer"))
    ('tcstudy.bench.amounts', 'tcstudy.bench.rival')
    """
    if task.action not in ("fine-tune", "pre-train", "predict"):
        return "tcstudy.bench.amounts"
    return "tcstudy.bench.own" if task.side == OWN else "tcstudy.bench.rival"


if __name__ == "__main__":
    given, result = map(Path, sys.argv[1:])
    result.write_text(perform(Task.model_validate_json(given.read_text())).model_dump_json())
