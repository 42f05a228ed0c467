"""Parsl's manager, which keeps the workers of one node, as a process that ends when its interchange is gone.

Parsl's own misses the heartbeat once it has been welcomed. If the interchange ends just before that, it waits for the
welcome for ever, and its job occupies the node until its time is up.

    python -m tcstudy.study.manager <arguments of Parsl's process_worker_pool.py>
"""

import argparse
import os
import runpy
import socket
import threading
import time
from collections.abc import Iterable

import psutil


def end_with_interchange(addresses: Iterable[str], port: int, threshold: float) -> None:
    """End this process and its children when nothing has listened at `port` of any address for two thresholds.

    Args:
        addresses: of the interchange's machine.
        port: of the interchange.
        threshold: seconds of silence after which Parsl ends a manager itself, if it can.
    """
    last = time.monotonic()
    while time.monotonic() - last < 2 * threshold:
        time.sleep(threshold / 4)
        if any(is_listening(address, port) for address in addresses):
            last = time.monotonic()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def is_listening(address: str, port: int) -> bool:
    """Whether anything can be connected to at `port` of `address` within three seconds."""
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-a", dest="addresses", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hb_threshold", type=float, required=True)
    given, _ = parser.parse_known_args()
    watched = given.addresses.split(","), given.port, given.hb_threshold
    threading.Thread(target=end_with_interchange, args=watched, daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.process_worker_pool", run_name="__main__", alter_sys=True)
