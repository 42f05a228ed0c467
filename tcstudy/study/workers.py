"""What holds for the processes of every executor: they end with the one they work for, and their loss has a name."""

import multiprocessing
import os
import threading
from collections.abc import Callable


class WorkerLost(Exception):
    """The process that did a job is gone: killed, crashed, or its machine was taken away. The job is not done."""


def end_with_parent(before: Callable[[], None] = lambda: None) -> None:
    """From now on this process ends as soon as the one that started it is gone, however that ended.

    Of processes that multiprocessing started; others stay as they are.

    Args:
        before: called before this process ends; of several calls the first one's.
    """
    parent = multiprocessing.parent_process()
    if parent is None or any(thread.name == _NAME for thread in threading.enumerate()):
        return

    def wait() -> None:
        parent.join()
        try:
            before()
        finally:
            os._exit(1)  # at once, as if killed: whatever this process was doing, nobody waits for it

    threading.Thread(target=wait, name=_NAME, daemon=True).start()


_NAME = "ends with its parent"
