"""Where a training is: a line on standard error that is written over, or one a minute where that cannot be."""

import os
import sys
import time
from collections.abc import Iterator

from tcstudy.settings import PROGRESS
from tcstudy.training.outcome import Step

SECONDS = {"over": 1.0, "lines": 60.0}
"""Between two lines."""


def manner() -> str:
    """How this process shows progress: "over" on a terminal and in a notebook, "lines" in a log."""
    in_notebook = type(sys.stderr).__module__.startswith("ipykernel")
    return os.environ.get(PROGRESS) or ("over" if in_notebook or sys.stderr.isatty() else "lines")


def shown(steps: Iterator[Step], total: int, name: str, done: int = 0) -> Iterator[Step]:
    """Pass `steps` on, and show how many there were, mean loss and speed of the last ones, and how long is left.

    Args:
        steps: of a training, as `loop.fit` makes them.
        total: steps that it has.
        name: what is trained.
        done: steps of it that were made before.
    """
    if os.environ.get("RANK", "0") != "0":
        yield from steps
        return
    how = manner()
    line, width, began = [], 0, time.monotonic()
    last = began
    try:
        for step in steps:
            line.append(step)
            now = time.monotonic()
            if now - last >= SECONDS[how]:
                left = (total - step.number) * (now - began) / (step.number - done)
                text = told(name, line, total, now - last, left)
                width = max(width, len(text))
                written = (
                    f"{text:<{width}}\r" if how == "over" else f"{text}\n"
                )  # back to the start, to be written over
                print(written, end="", file=sys.stderr, flush=True)
                line, last = [], now
            yield step
    finally:
        if how == "over" and width:
            print(" " * width, end="\r", file=sys.stderr, flush=True)


def told(name: str, steps: list[Step], total: int, seconds: float, left: float) -> str:
    """The line about the last `steps`, which took `seconds`; `left` are the seconds still to come.

    >>> told("imdb, seed 0", [Step(9, 0.5, 300, 320), Step(10, 0.7, 500, 512)], 1200, 2.0, 4500.0)
    'imdb, seed 0: step 10 of 1,200, loss 0.600, 400 tokens/s, 75 min left'
    """
    loss = sum(step.loss for step in steps) / len(steps)
    speed = sum(step.tokens for step in steps) / seconds
    rest = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
    return f"{name}: step {steps[-1].number:,} of {total:,}, loss {loss:.3f}, {speed:,.0f} tokens/s, {rest} left"
