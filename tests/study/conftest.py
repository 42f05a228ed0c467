"""A Slurm of its own for the tests marked `cluster`: a controller and two nodes on the loopback address."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = ("n1", "n2")

CONFIGURATION = """
ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,batch_sched_delay=0,sched_interval=2
JobRequeue=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MailProg=/bin/true
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=n[1-2] Default=YES MaxTime=01:00:00 State=UP OverSubscribe=NO
"""


class Slurm:
    """The Slurm that runs in `folder`, for clients that find `environment` in theirs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        """Start the daemons in the foreground of their own logs, and wait for the nodes."""
        ports = [_free_port() for _ in range(3)]
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(folder=self.folder, ports=ports))
        key = self.folder / "munge.key"
        key.touch(mode=0o400)
        key.write_bytes(secrets.token_bytes(128))
        files = [f"--{name}-file={self.folder / f'munge.{name}'}" for name in ("key", "pid", "log", "seed")]
        self._daemon("munged", "--foreground", f"--socket={self.folder / 'munge.socket'}", *files)
        self.wait_for("munge", (self.folder / "munge.socket").is_socket, 30)
        self._daemon("slurmctld", "-D")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        self.wait_for("the nodes", lambda: self.states() == dict.fromkeys(NODES, "idle"), 60)

    def stop(self) -> None:
        """End the daemons and whatever is left of their jobs."""
        try:
            self.ask("scancel", "--full", "--user=root")
            self.wait_for("the end of all jobs", lambda: not self.jobs(), 30)
        except (subprocess.SubprocessError, pytest.fail.Exception):
            pass  # they lose their daemons now
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            process.kill()

    def ask(self, *command: str) -> str:
        """What a client of Slurm prints."""
        environment = os.environ | self.environment
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    def wait_for(self, what: str, there: Callable[[], object], seconds: float) -> None:
        """Wait until `there()` is true; fail after `seconds`."""
        end = time.monotonic() + seconds
        while not there():
            if time.monotonic() > end:
                pytest.fail(f"waited {seconds} s for {what}; nodes: {self.states()}, jobs: {self.jobs()}")
            time.sleep(0.1)

    def states(self) -> dict[str, str]:
        """The state of each node."""
        try:
            return dict(line.split() for line in self.ask("sinfo", "-h", "-N", "-o", "%N %T").splitlines())
        except subprocess.CalledProcessError:  # the controller does not answer yet
            return {}

    def jobs(self) -> dict[str, str]:
        """The node of each job that is running, and nothing for one that waits."""
        lines = self.ask("squeue", "-h", "-o", "%i|%N").splitlines()
        return dict(line.split("|") for line in lines)

    def processes(self) -> list[psutil.Process]:
        """All that was started under this Slurm or for it, except its daemons."""
        daemons = {daemon.pid for daemon in self._daemons}
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]
            except psutil.Error:  # it has ended, or only waits for its parent to notice
                continue
            if ours and process.pid not in daemons:
                found.append(process)
        return found

    def _daemon(self, *command: str) -> None:
        with (self.folder / f"daemon{len(self._daemons)}.log").open("w") as log:
            daemon = subprocess.Popen(command, env=os.environ | self.environment, stdout=log, stderr=log)
        self._daemons.append(daemon)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running Slurm; the test is skipped where it cannot be installed."""
    with ExitStack() as stack:
        stack.enter_context(FileLock(Path(tempfile.gettempdir()) / "tcstudy-slurm.lock", timeout=600))
        stack.enter_context(installed())
        folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # not one of pytest's: munge wants a way in for everybody
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        slurm = Slurm(folder)
        stack.callback(slurm.stop)
        slurm.start()
        yield slurm


@contextmanager
def installed() -> Iterator[None]:
    """Slurm and munge from Debian's packages; those that were not there before are removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("only root can install and start Slurm")
    if all(map(shutil.which, PROGRAMS)):
        yield
        return
    if not shutil.which("apt-get"):
        pytest.skip("Slurm is not installed, and there is no apt-get")
    before = _packages()
    new: set[str] = set()
    try:
        _apt("update", check=False)
        try:
            _apt("install", "--no-install-recommends", *PACKAGES)
        except subprocess.SubprocessError as error:
            pytest.skip(f"Slurm cannot be installed: {(getattr(error, 'stderr', '') or str(error)).strip()[-300:]}")
        finally:
            new = _packages() - before
        yield
    finally:
        if new:
            _apt("purge", *sorted(new))


def _apt(command: str, *arguments: str, check: bool = True) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    call = ["apt-get", "--yes", "-o", "DPkg::Lock::Timeout=60", command, *arguments]
    subprocess.run(call, env=environment, capture_output=True, text=True, check=check, timeout=300)


def _packages() -> set[str]:
    format = "--showformat=${db:Status-Abbrev} ${Package}\n"
    shown = subprocess.run(["dpkg-query", "--show", format], capture_output=True, text=True, check=True).stdout
    return {line.split()[1] for line in shown.splitlines() if line.startswith("i")}


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]
