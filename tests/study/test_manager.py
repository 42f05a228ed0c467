import contextlib
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from tcstudy.study.manager import is_listening

zmq = pytest.importorskip("zmq")


@pytest.fixture
def interchange():
    """Welcomes whoever looks for it, once, and is gone before it can be asked again."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        yield router, router.bind_to_random_port("tcp://127.0.0.1")


def test_a_manager_ends_with_its_workers_when_the_interchange_goes_before_it_is_welcomed(interchange, tmp_path):
    router, port = interchange
    given = f"-a 127.0.0.1 -c 1 -m None --cert_dir None --drain_period None --cpu-affinity none --port {port}"
    times = "--hb_period 1 --hb_threshold 2 --max_workers_per_node 1 --block_id 0"
    module = [sys.executable, "-m", "tcstudy.study.manager"]
    manager = subprocess.Popen([*module, *given.split(), *times.split(), "--logdir", tmp_path], start_new_session=True)
    try:
        assert router.poll(30_000)
        who, _ = router.recv_multipart()
        router.send_multipart([who, b"here"])
        while not (children := psutil.Process(manager.pid).children(recursive=True)):
            assert manager.poll() is None
        router.close(linger=1000)
        assert manager.wait(60) == 1
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(manager.pid, signal.SIGKILL)
    [log] = tmp_path.glob("block-0/*/manager.log")
    assert "Failed to connect to interchange" in log.read_text()


def test_a_port_is_listened_to_until_it_is_closed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_listening("127.0.0.1", port)
    assert not is_listening("127.0.0.1", port)
