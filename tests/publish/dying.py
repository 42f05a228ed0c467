"""The command line in processes that kill themselves, as by kill -9, at moments that have names.

For each line of JSON on standard input, `{"arguments": [...], "environment": {...}, "die": [names of moments]}`, the
command is called in a process of its own, forked from this one, so that libraries are loaded once, and kills itself at
the first of these moments that it comes to. The answer is a line `{"status": as waitpid has it, "moments": [the names
of all moments that were, in their order]}`.

A moment is named by its kind, the identity of what is being made, and what tells it from others, so it has the same
name in a process that goes on. States are saved after every third update.
"""

import itertools
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import safetensors.torch
import spacy  # noqa: F401 - loaded here, not anew in each process

from tcstudy.cli import main
from tcstudy.study import encoders, run  # noqa: F401
from tcstudy.training import finetune, multitask, pretrain
from tcstudy.training.checkpoint import Checkpoint
from tcstudy.training.engine import Engine

EVERY = 3


class Moments:
    """Told of to a file as they come; the process ends with the first that is one to die in."""

    def __init__(self, die: list[str], answer: TextIO) -> None:
        self.die = die
        self.answer = answer
        self.update = 0

    def now(self, kind: str, what: str, *details: object) -> None:
        name = " ".join([kind, what, *map(str, details)])
        print(name, file=self.answer, flush=True)
        if name in self.die:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(moments: Moments) -> None:
    """Let everything that is trained, evaluated and written from now on go by in `moments`."""
    making = [""]

    def told(train: Callable, kind: str, module: object) -> Callable:
        fit = module.fit

        def updates(*arguments, **named):
            for step in fit(*arguments, **named):
                moments.update = step.number
                moments.now(kind, making[-1], step.number)
                yield step

        def call(spec, *arguments):
            making.append(spec.id)
            outcome = train(spec, *arguments)
            making.pop()
            return outcome

        module.fit = updates
        return call

    finetune.finetune = told(finetune.finetune, "training", finetune)
    multitask.train_multitask = told(multitask.train_multitask, "multi-task training", multitask)
    pretrain.pretrain = told(pretrain.pretrain, "pre-training", pretrain)

    predict, save_file, replace, restore = Engine.predict, safetensors.torch.save_file, os.replace, Checkpoint.restore

    def predicted(engine, model, documents, plan=None):
        passes = itertools.count()
        hook = model.register_forward_hook(
            lambda *_: moments.now("evaluation", making[-1], moments.update, len(documents), next(passes))
        )
        probabilities = predict(engine, model, documents, plan)
        hook.remove()
        return probabilities

    def half_written(tensors, path, metadata=None):
        save_file(tensors, path, metadata=metadata)
        if str(path).endswith(".state.partial"):
            content = Path(path).read_bytes()
            os.truncate(path, len(content) // 2)
            moments.now("checkpoint writing", making[-1], moments.update, "half")
            Path(path).write_bytes(content)

    def before_and_after(source, target):
        kinds = {".state": "checkpoint writing", ".json": "record writing", "": "encoder writing"}
        kind, found = kinds.get(Path(target).suffix), re.findall(r"[0-9a-f]{16}", str(target))
        details = [*found[-1:], moments.update if kind == "checkpoint writing" else Path(target).parent.name]
        if kind and found:
            moments.now(kind, *details, "before")
        replace(source, target)
        if kind and found:
            moments.now(kind, *details, "after")

    def gone_on(checkpoint):
        saved = restore(checkpoint)
        moments.update = saved.step if saved else 0
        return saved

    Engine.predict = predicted
    safetensors.torch.save_file = half_written
    os.replace = before_and_after
    Checkpoint.restore = gone_on
    Checkpoint.due = property(lambda checkpoint: checkpoint.file.path is not None and moments.update % EVERY == 0)


def call(arguments: list[str], environment: dict[str, str], die: list[str], answer: TextIO) -> None:
    """In a process of its own: call the command line, and write the moments to `answer`."""
    os.environ.update(environment)
    output = os.open(environment["LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    watch(Moments(die, answer))
    sys.argv = ["tcstudy", *arguments]
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code or 0
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        heard, said = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(heard)
            call(asked["arguments"], asked["environment"], asked["die"], os.fdopen(said, "w"))
        os.close(said)
        with os.fdopen(heard) as file:
            moments = file.read().splitlines()
        _, status = os.waitpid(process, 0)
        print(json.dumps({"status": status, "moments": moments}), flush=True)
