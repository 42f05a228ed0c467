"""The processes of one launch: each makes its part of a run, the first one keeps the store."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Crew:
    """The processes of a launch; a single process is a crew of one.

    Attributes:
        first: whether this process is the one that reads and writes the store.
        size: their number.
    """

    first: bool
    size: int

    def agree(self, find: Callable[[], Answer]) -> Answer:
        """What the first process finds, known to all."""
        if self.size == 1:
            return find()
        from accelerate.utils import broadcast_object_list

        found: list[Any] = [find() if self.first else None]
        return broadcast_object_list(found)[0]


def crew() -> Crew:
    """This process's crew, as the launcher's environment tells."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Crew(first=True, size=1)
    from tcstudy.training.devices import make_accelerator

    return Crew(first=make_accelerator().is_main_process, size=size)
