import datasets
import huggingface_hub.constants as hub
import pytest

from tcstudy.catalog.hub import _can_be_reached, give_up_at_once_without_network


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    _can_be_reached.cache_clear()


def test_a_hub_that_answers_is_asked(monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        give_up_at_once_without_network()
    assert not hub.HF_HUB_OFFLINE


def test_without_a_network_only_this_machine_is_looked_at(monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{port}")
    give_up_at_once_without_network()
    assert hub.HF_HUB_OFFLINE
    assert datasets.config.HF_HUB_OFFLINE
