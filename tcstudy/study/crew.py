"""The processes of one launch: each makes its part of a run, the first one keeps the store."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_LAUNCH = {
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"),
    *("ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"),
}
"""What torch's launcher sets."""

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


def leave() -> bool:
    """End a launch, since what follows is for one process: whether this is the one.

    What it starts afterwards does not wait for the others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return True
    first = os.environ["RANK"] == "0"
    for name in [name for name in os.environ if name in _LAUNCH or name.startswith("TORCHELASTIC_")]:
        del os.environ[name]
    return first
