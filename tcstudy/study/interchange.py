"""Parsl's interchange, which stands between the driver and the workers, as a process that ends with its driver.

Parsl's own lives on when the driver is killed, and the workers with it. Without an interchange they end by themselves:
they miss its heartbeat.

    python -m tcstudy.study.interchange <process id of the driver>
"""

import os
import runpy
import signal
import sys
import threading
import time


def end_with(parent: int) -> None:
    """End this process when `parent` is not the one that it belongs to any more, seen within a second."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the driver
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")
