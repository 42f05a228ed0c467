"""Whether the hub can be reached; its clients try again for minutes where there is no network."""

import functools
import os
import socket
from urllib.parse import urlsplit

SECONDS = 5
"""That a connection may take."""


def give_up_at_once_without_network() -> None:
    """Let the hub's clients look only at what is on this machine, if the hub cannot be reached."""
    import huggingface_hub.constants as hub

    address = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or hub.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    if not hub.HF_HUB_OFFLINE and not _can_be_reached(address.hostname or "", port):
        import datasets

        hub.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True


@functools.cache
def _can_be_reached(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True
