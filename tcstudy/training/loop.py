"""The only training loop, and the line on standard error that says where a training is."""

import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LRScheduler

from tcstudy.encoding.batches import Piece
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

    Of `total` steps of the training called `name`, `done` were made before.
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
                # as wide as the line before, and back to the start, to be written over
                written = f"{text:<{width}}\r" if how == "over" else f"{text}\n"
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


class Diverged(Exception):
    """Loss or predictions stopped being finite numbers at `step`; the study records it as a result."""

    def __init__(self, step: int) -> None:
        super().__init__(f"not finite at step {step}")
        self.step = step


def fit(
    model: torch.nn.Module,
    batches: Iterable[Sequence[Piece]],
    loss_of: Callable[[torch.nn.Module, Piece, Sequence[Piece]], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    accelerator: Accelerator,
    clip_norm: float | None,
    done: int = 0,
) -> Iterator[Step]:
    """Train `model` on `batches`, one update for each, and yield after each update.

    A batch comes in micro-batches. `loss_of` gives a micro-batch's part of its batch's mean loss, so the gradients
    add up to the whole batch's. Several processes share the micro-batches of a batch and add their gradients, so the
    update is the same on any number of devices. Where a micro-batch does not fit into a GPU's memory, the batch and all
    that follow are made in micro-batches of half the size.

    Args:
        model: on the accelerator's device.
        loss_of: model, micro-batch and the batch it is part of, to a scalar.
        optimizer, schedule: stepped once for each batch.
        accelerator: devices, processes and precision.
        clip_norm: bound of the gradient's norm over all parameters, or None.
        done: updates made before, by a training that goes on here.

    Raises:
        Diverged: the loss of a batch is not finite; the weights are as before that batch.
        torch.OutOfMemoryError: a document does not fit by itself, or one of several processes is out of memory.
    """
    halvings, remaining = 0, iter(batches)
    following = next(remaining, None)
    for number in itertools.count(done + 1):
        if (batch := following) is None:
            return
        model.train()
        for _ in range(halvings):
            batch = halved(batch)
        while (loss := _add_up(model, batch, loss_of, optimizer, accelerator)) is None:
            if len(smaller := halved(batch)) == len(batch):
                raise torch.OutOfMemoryError("a single document does not fit into the memory")
            batch, halvings = smaller, halvings + 1
        following = next(remaining, None)  # made while a GPU is still at work
        if accelerator.num_processes > 1:
            loss = _add_gradients(model, loss, accelerator)
        loss = loss.item()  # waits for the GPU, once a step
        if not math.isfinite(loss):
            raise Diverged(number)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        schedule.step()
        yield Step(
            number=number,
            loss=loss,
            tokens=sum(micro_batch.tokens for micro_batch in batch),
            padded_tokens=sum(micro_batch.computed_tokens for micro_batch in batch),
        )


def halved(batch: Sequence[Piece]) -> list[Piece]:
    """A batch in micro-batches of half the size."""
    return [half for micro_batch in batch for half in micro_batch.halves()]


def _add_up(
    model: torch.nn.Module,
    batch: Sequence[Piece],
    loss_of: Callable[[torch.nn.Module, Piece, Sequence[Piece]], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
) -> torch.Tensor | None:
    """The gradients of this process's share of a batch, and its loss; None where memory is used up."""
    optimizer.zero_grad()
    loss = torch.zeros((), device=accelerator.device)
    try:
        for micro_batch in batch[accelerator.process_index :: accelerator.num_processes]:
            with accelerator.autocast():
                part = loss_of(model, micro_batch.to(accelerator.device), batch)
            accelerator.backward(part)
            loss += part.detach()
    except torch.OutOfMemoryError:
        if accelerator.num_processes > 1:  # the others would wait for this one
            raise
        optimizer.zero_grad()
        torch.cuda.empty_cache()
        return None
    return loss


def _add_gradients(model: torch.nn.Module, loss: torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
    """Add the gradients and losses of all processes, in one piece; gradients become views of it."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in trained]
    whole = accelerator.reduce(torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in gradients)]), "sum")
    loss, *parts = whole.split([1, *(gradient.numel() for gradient in gradients)])
    for parameter, part in zip(trained, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return loss[0]
