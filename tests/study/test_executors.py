import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from functools import partial

import psutil
import pytest
import torch
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.errors import TooManyJobFailuresError

from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import BagOfWordsSpec, EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.study import executors
from tcstudy.study import run as run_module
from tcstudy.study.encoders import encoder_records
from tcstudy.study.executors import ATTEMPTS, GRACE, LOSSES, do, jobs_for, open_executor
from tcstudy.study.run import make, run_all

RECIPE = {"steps": 6, "batch_size": 4, "length": 16}
TASK = {"name": "bbc_news", "train": 20, "validation": 20, "test": 30}


def pretrained(stop=None):
    given = {"corpus": [{"name": "bbc_news"}], "recipe": RECIPE, "stop": stop}
    return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))


@pytest.fixture
def study(spec):
    """Runs from a published encoder, from three stops of one pre-training, and from two stages; and a bag of words."""
    together = pretrained().after(MultitaskSpec.model_validate({"tasks": [TASK], "window": {"length": 16}}))
    encoders = {"late": pretrained(), "early": pretrained(2), "middle": pretrained(4), "both": together}
    runs = {name: spec.variant({"encoder": encoder, "training.epochs": 1}) for name, encoder in encoders.items()}
    return runs | {"plain": spec.variant({"training.epochs": 1}), "bag": BagOfWordsSpec(data=spec.data)}


def test_each_job_comes_after_the_encoder_it_needs(study):
    jobs = jobs_for(study.values())
    assert len(jobs) == 6 + 4
    order = list(jobs)
    for id, job in jobs.items():
        assert job.after is None or order.index(job.after) < order.index(id)
    assert jobs[study["plain"].id].after is jobs[study["bag"].id].after is None
    assert jobs[study["both"].id].after == study["both"].encoder.id
    assert jobs[study["both"].encoder.id].after == pretrained().id
    assert [jobs[pretrained(stop).id].after for stop in (2, 4, None)] == [None, pretrained(2).id, pretrained(4).id]


class Log:
    """Stands in for the making of things: notes what was asked for, fails or loses a worker where it is told to."""

    def __init__(self, **errors):
        self.errors, self.asked, self.lock = errors, [], threading.Lock()

    def __call__(self, spec, settings):
        with self.lock:
            self.asked.append(spec.id)
            errors = self.errors.get(spec.id, [])
            if errors:
                raise errors.pop(0)
        return True


def test_this_process_does_them_in_their_order_and_is_given_no_settings(study):
    jobs, log = jobs_for(study.values()), Log()
    assert [job.spec.id for job, _ in do(jobs, None, log)] == log.asked == list(jobs)
    assert log.asked.index(study["late"].id) == log.asked.index(pretrained().id) + 1
    given = []
    assert len(list(do(jobs, None, lambda spec, settings: given.append(settings) or True))) == len(jobs)
    assert set(given) == {None}


def test_a_lost_worker_is_replaced_and_a_mistake_ends_it_all(study):
    jobs, encoder = jobs_for(study.values()), pretrained(2).id
    lost = [WorkerLost(0, "node"), ManagerLost(b"manager", "node")]
    with ThreadPoolExecutor(3) as pool:
        log = Log(**{encoder: [*lost, *[OSError("no disk")] * (ATTEMPTS - 1)]})
        assert len(list(do(jobs, pool.submit, log))) == len(jobs)
        assert log.asked.count(encoder) == len(lost) + ATTEMPTS
        for errors, told in (
            ([OSError("no disk")] * ATTEMPTS, OSError),
            ([StudyError("no such data")], StudyError),
            ([TooManyJobFailuresError("stderr=sbatch: error: no such partition")], BrokenExecutor),
        ):
            log = Log(**{encoder: list(errors)})
            with pytest.raises(told, match=r"no disk|no such data|^sbatch: error: no such partition"):
                list(do(jobs, pool.submit, log))
            assert study["early"].id not in log.asked


def test_a_job_that_loses_every_worker_ends_it_all(spec):
    jobs = jobs_for([spec])
    with ThreadPoolExecutor(1) as pool:
        log = Log(**{spec.id: [WorkerLost(0, "node")] * LOSSES})
        with pytest.raises(StudyError, match=f"was lost {LOSSES} times .* does it have enough memory"):
            list(do(jobs, pool.submit, log))
    assert len(log.asked) == LOSSES


@pytest.mark.parametrize("times", [ATTEMPTS - 1, ATTEMPTS])
def test_an_executor_that_lost_its_workers_is_opened_anew(times, spec, monkeypatch, capsys):
    opened, made = [], []

    @contextlib.contextmanager
    def open_one(name):
        opened.append(name)

        def submit(function, *arguments):
            future = Future()
            if len(opened) <= times:
                future.set_exception(BrokenExecutor("sbatch says no"))
            else:
                future.set_result(function(*arguments))
            return future

        yield submit

    monkeypatch.setattr(run_module, "open_executor", open_one)
    monkeypatch.setattr(run_module, "make", lambda spec, settings: made.append(spec) or True)
    if times < ATTEMPTS:
        assert list(run_module._made([spec], "local:2")) == made == [spec]
        assert capsys.readouterr().err.count("all workers were lost, others are asked for: sbatch says no") == times
    else:
        with pytest.raises(StudyError, match=rf"local:2 had no workers {times} times in a row \(sbatch says no\)"):
            list(run_module._made([spec], "local:2"))


def test_two_processes_make_what_one_makes(study, monkeypatch):
    alone = run_all(study)
    monkeypatch.setenv("TCSTUDY_RESULTS", str(Settings.read().results / "other"))
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(Settings.read().weights / "other"))
    together = run_all(study, executor="local:2")
    assert list(together) == list(alone)
    for key, record in together.items():  # with fewer threads sums are rounded otherwise
        assert record.curve.losses == pytest.approx(alone[key].curve.losses, abs=1e-3)
    made = encoder_records(run.encoder for run in study.values() if not isinstance(run, BagOfWordsSpec))
    assert len(made) == 4


@pytest.mark.slow
def test_two_hundred_runs_are_right_though_a_worker_is_killed_every_ten_seconds(spec, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MARKER", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    runs = {seed: spec.variant({"seed": seed, "training.epochs": 1}) for seed in range(200)}
    done, killed = threading.Event(), []

    def workers():
        """Those of the pool, without the first process that it starts, which keeps its books."""
        pools = [
            process for process in started_by(str(tmp_path)) if "process_worker_pool" in " ".join(process.cmdline())
        ]
        children = [child for pool in pools for child in pool.children()]
        children = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        return sorted(children, key=psutil.Process.create_time)[1:]

    folder = Settings.read().results

    def kill():
        seen = 0
        while not done.wait(10 if killed else 3):
            if killed and (made := len(list(folder.glob("*.json")))) == seen:
                continue  # a slow machine needs longer for a worker to begin at all
            seen = made if killed else 0
            with contextlib.suppress(psutil.Error, IndexError):  # the one or all of them are just being replaced
                victim = workers()[len(killed) % 2]
                victim.kill()
                killed.append(victim.pid)

    threading.Thread(target=kill, daemon=True).start()
    try:
        records = run_all(runs, executor="local:2")
    finally:
        done.set()
    assert killed
    assert 1 <= capsys.readouterr().err.count("a worker was lost; what it did is begun again") <= 2 * len(killed)
    assert not list(Settings.read().results.glob("*.damaged*"))
    monkeypatch.setenv("TCSTUDY_RESULTS", str(Settings.read().results / "alone"))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2))  # a worker's, or sums are rounded otherwise
    alone = run_all(runs)
    torch.set_num_threads(threads)
    assert list(records) == list(alone) == list(range(200))
    assert [record.test for record in records.values()] == [record.test for record in alone.values()]


def started_by(marker):
    """All processes that found `marker` in their environment, but for this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MARKER") == marker and process.pid != os.getpid():
                found.append(process)
    return found


COMMAND = """
import signal, time
from tcstudy.study.executors import open_executor
with open_executor("local:2") as submit:
    print(submit(abs, -3).result(), flush=True)
    busy = [submit(time.sleep, 600) for _ in range(2)]
    print("busy", flush=True)
    busy[0].result()
"""


@pytest.mark.slow
@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_command(signal_sent, tmp_path):
    environment = os.environ | {"MARKER": str(tmp_path)}
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # which a shell in the background ignores
    )
    assert [command.stdout.readline() for _ in range(2)] == ["3\n", "busy\n"]
    assert len(started_by(str(tmp_path))) > 4
    if signal_sent == signal.SIGKILL:
        command.kill()
    else:
        os.killpg(command.pid, signal.SIGINT)  # as a terminal sends Ctrl-C, to all in the foreground
    assert command.wait(60) == -signal_sent
    until = time.monotonic() + (GRACE + 30 if signal_sent == signal.SIGKILL else 5)
    while left := started_by(str(tmp_path)):
        assert time.monotonic() < until, left
        time.sleep(0.5)


@pytest.mark.slow
def test_a_block_whose_queue_was_left_locked_is_given_up_and_its_tasks_count_as_lost(monkeypatch):
    monkeypatch.setattr(executors, "LOOK", 1)
    monkeypatch.setattr(executors, "STUCK", 8)
    with open_executor("local:1") as submit:
        worker = submit(os.getpid).result(120)
        time.sleep(1)  # it waits for a task now
        psutil.Process(worker).kill()
        task = submit(os.getpid)
        with pytest.raises((WorkerLost, ManagerLost)):
            task.result(180)
        assert submit(os.getpid).result(120) != worker


@pytest.mark.slow
def test_without_its_interchange_an_executor_is_broken_and_is_closed(monkeypatch, spec):
    monkeypatch.setattr(executors, "LOOK", 1)
    with pytest.raises(BrokenExecutor, match="the interchange of Parsl is gone"), open_executor("local:1") as submit:
        assert submit(abs, -3).result(120) == 3
        [interchange] = [child for child in psutil.Process().children() if "interchange" in " ".join(child.cmdline())]
        interchange.kill()
        list(do(jobs_for([spec]), submit, make))


def test_workers_share_the_gpus_that_this_process_may_use(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    assert executors._slots(0) == ["4", "GPU-7"]
    assert executors._slots(3) == ["4", "GPU-7", "4"]
    for rank, gpu in enumerate(executors._slots(3)):
        monkeypatch.setenv("PARSL_WORKER_POOL_ID", "manager")
        monkeypatch.setenv("PARSL_WORKER_RANK", str(rank))
        assert executors._work(str(tmp_path), executors._slots(3), os.environ.get, "CUDA_VISIBLE_DEVICES") == gpu
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert executors._slots(0) == [""]
    assert executors._slots(2) == ["", ""]


def test_without_parsl_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "parsl", None)
    monkeypatch.setitem(sys.modules, "parsl.config", None)
    with (
        pytest.raises(StudyError, match=r"local:2 needs Parsl: pip install 'tcstudy\[cluster\]'"),
        open_executor("local:2"),
    ):
        pass
    with open_executor("inline") as submit:
        assert submit is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lokal", "'lokal' is not an executor; did you mean 'local'"),
        ("local:0", "'local:0' is not an executor"),
        ("parsl", "'parsl' is not an executor"),
        ("inline:2", "'inline:2' is not an executor"),
    ],
)
def test_an_executor_that_does_not_exist_is_told(name, sentence):
    with pytest.raises(StudyError, match=sentence), open_executor(name):
        pass


def test_the_settings_name_the_executor(spec, monkeypatch):
    monkeypatch.setenv("TCSTUDY_EXECUTOR", "nowhere")
    with pytest.raises(StudyError, match="'nowhere' is not an executor"):
        run_all({"x": spec})
