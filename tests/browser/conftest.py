"""A Chromium of this machine, and the built book on a server of its own, for tests that read as readers do."""

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "TCSTUDY_CHROMIUM"
"""Names the browser where it is not found by its usual names."""
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever is asked of others fails, and is seen
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; tests are skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    names = [os.environ.get(CHROMIUM), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if not found:
        pytest.skip(f"there is no Chromium on this machine: apt-get install chromium, or let {CHROMIUM} name one")
    return found


@pytest.fixture(scope="module")  # no longer: while it is open, other tests cannot use asyncio
def browser(chromium: str) -> "Iterator[Browser]":
    """A headless Chromium that reaches this machine alone."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS, chromium_sandbox=os.geteuid() != 0)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tell nothing of requests."""


@pytest.fixture(scope="session")
def address(chromium: str, site: Path) -> Iterator[str]:
    """Where the built book is served, on loopback; without a browser it is not even built."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
