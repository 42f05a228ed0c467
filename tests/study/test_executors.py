import contextlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import pytest
import torch

from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import BagOfWordsSpec, EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.study.encoders import encoder_records
from tcstudy.study.executors import Inline, open_executor
from tcstudy.study.jobs import ATTEMPTS, do, jobs_for
from tcstudy.study.run import run_all

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


def test_inline_does_them_in_their_order_and_what_has_become_possible_first(study):
    jobs, log = jobs_for(study.values()), Log()
    assert [job.spec.id for job, _ in do(jobs, Inline(), log)] == log.asked
    assert sorted(log.asked) == sorted(jobs)
    for before, after in zip(log.asked, log.asked[1:], strict=False):
        if jobs[after].after == before:
            break
    else:
        pytest.fail("no run came right after its encoder")


def test_a_lost_worker_is_replaced_and_a_mistake_ends_it_all(study):
    jobs = jobs_for(study.values())
    lost = {pretrained(2).id: [OSError("worker lost")] * (ATTEMPTS - 1)}
    with ThreadPoolExecutor(3) as pool:
        log = Log(**lost)
        assert len(list(do(jobs, pool, log))) == len(jobs)
        assert log.asked.count(pretrained(2).id) == ATTEMPTS
        for errors in ([OSError("worker lost")] * ATTEMPTS, [StudyError("no such data")]):
            log = Log(**{pretrained(2).id: list(errors)})
            with pytest.raises(type(errors[0])):
                list(do(jobs, pool, log))
            assert study["early"].id not in log.asked


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
def test_two_hundred_runs_are_right_though_a_worker_is_killed_every_ten_seconds(spec, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    runs = {seed: spec.variant({"seed": seed, "training.epochs": 1}) for seed in range(200)}
    done, killed = threading.Event(), []

    def kill():
        while not done.wait(10 if killed else 3):
            with contextlib.suppress(psutil.Error, IndexError):  # the one or all of them are just being replaced
                workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
                victim = workers[len(killed) % 2]
                victim.kill()
                killed.append(victim.pid)

    threading.Thread(target=kill, daemon=True).start()
    try:
        records = run_all(runs, executor="local:2")
    finally:
        done.set()
    assert killed
    assert 1 <= capsys.readouterr().err.count("a worker was lost; what it did is begun again") <= len(killed)
    assert not list(Settings.read().results.glob("*.damaged*"))
    monkeypatch.setenv("TCSTUDY_RESULTS", str(Settings.read().results / "alone"))
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2))  # a worker's, or sums are rounded otherwise
    alone = run_all(runs)
    torch.set_num_threads(threads)
    assert list(records) == list(alone) == list(range(200))
    assert [record.test for record in records.values()] == [record.test for record in alone.values()]


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


def test_the_future_of_an_inline_call_is_finished():
    future = Inline().submit(divmod, 7, 2)
    assert isinstance(future, Future)
    assert future.result() == (3, 1)
    assert isinstance(Inline().submit(divmod, 7, 0).exception(), ZeroDivisionError)
