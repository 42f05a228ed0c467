import multiprocessing
import os
from pathlib import Path

import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey
from tcstudy.settings import Settings
from tcstudy.spec import BagOfWordsSpec, RunSpec
from tcstudy.study import record
from tcstudy.study import run as module
from tcstudy.study.run import run, run_all
from tcstudy.study.store import Store


def store() -> Store:
    return Store(Settings.read().results)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_record_says_everything_about_its_run(spec):
    record = run(spec)
    assert record.id == spec.id
    assert record.spec == spec
    assert record.outcome == "finished"
    assert record.test.documents == record.data.used_test == 30
    assert 0 <= record.error_rate <= 1
    assert record.cost.steps == record.curve.steps[-1] == 10
    assert record.cost.tokens <= record.cost.padded_tokens
    assert [evaluation.epoch for evaluation in record.curve.epochs] == [1, 2]
    assert set(record.provenance.libraries) >= {"torch", "transformers", "datasets"}
    assert store().get(spec) == record


def test_points_between_epochs_are_in_the_record_and_nothing_else_differs(spec):
    plain, measured = run(spec), run(spec.variant({"measures.every": 2}))
    assert plain.curve.points == ()
    assert [point.step for point in measured.curve.points] == [2, 4, 5, 6, 8, 10]
    assert measured.id != plain.id
    assert measured.test == plain.test
    assert measured.curve.epochs == plain.curve.epochs
    assert store().get(measured.spec) == measured


def test_a_bag_of_words_is_a_run_like_any_other(spec, monkeypatch):
    bag = BagOfWordsSpec(data=spec.data)
    record = run(bag)
    assert record.spec == bag
    assert record.outcome == "finished"
    assert record.best_epoch is None
    assert record.curve.steps == record.curve.epochs == ()
    assert record.test.documents == 30
    assert record.error_rate < 0.4  # chance is 0.8
    assert 0 < record.cost.tokens == record.cost.padded_tokens
    assert {"scikit-learn", "numpy"} <= set(record.provenance.libraries)
    assert "torch" not in record.provenance.libraries
    fine_tuned = run(spec)
    assert record.test.labels == fine_tuned.test.labels  # the same documents
    monkeypatch.setattr(module, "_make", lambda spec: pytest.fail("made again"))
    assert run_all({0: bag, 1: spec}) == {0: record, 1: fine_tuned}


def test_a_run_is_made_once(spec, monkeypatch):
    record = run(spec)
    monkeypatch.setattr(module, "_make", lambda spec: pytest.fail("trained again"))
    assert run(spec) == record
    assert run(spec.variant({"training.epochs": 2})) == record


def test_many_runs_in_order_with_a_line_each(spec, capsys):
    specs = {RunKey("bbc_news", "plain", seed): spec.variant({"seed": seed}) for seed in (1, 0)}
    records = run_all(specs)
    assert list(records) == list(specs)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("run 1 of 2: bbc_news, plain, seed 1: error ")
    assert lines[-1] == "2 runs: 2 made, 0 loaded"
    assert run_all(specs) == records
    assert capsys.readouterr().err.splitlines() == ["2 runs: 0 made, 2 loaded"]


def test_an_interrupted_batch_keeps_what_was_recorded(spec, monkeypatch):
    make = module._make

    def interrupted(spec: RunSpec) -> object:
        if spec.seed == 1:
            raise KeyboardInterrupt
        return make(spec)

    monkeypatch.setattr(module, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all({seed: spec.variant({"seed": seed}) for seed in (0, 1)})
    assert files(store().folder) == [f"{spec.id}.json"]


def test_a_run_that_diverged_is_recorded_and_not_repeated(spec, monkeypatch, capsys):
    spec = spec.variant({"training.learning_rate": 1e30, "training.clip_norm": 1e30})
    [record] = run_all({"x": spec}).values()
    assert record.outcome == "diverged"
    assert record.diverged_at >= 1
    assert record.test is None
    assert "did not converge" in capsys.readouterr().err
    monkeypatch.setattr(module, "_make", lambda spec: pytest.fail("trained again"))
    assert run(spec) == record


@pytest.mark.parametrize("damage", [lambda text: text[:300], lambda text: "{}", lambda text: "\xff", lambda text: ""])
def test_a_damaged_record_is_set_aside_and_made_again(spec, damage, capsys):
    record = run(spec)
    path = store().path(spec)
    path.write_text(damage(path.read_text()), encoding="latin-1")
    assert run(spec).test == record.test
    assert files(store().folder) == [f"{spec.id}.damaged", f"{spec.id}.json"]
    assert "set aside, and the run is made again" in capsys.readouterr().err


def test_a_record_made_outside_a_checkout_is_read(spec, monkeypatch):
    monkeypatch.setattr(record, "commit", lambda: None)
    made = run(spec)
    assert made.provenance.commit is None
    assert store().get(spec) == made


def test_the_record_of_another_run_is_not_taken_for_this_one(spec):
    other = spec.variant({"seed": 5})
    run(spec)
    os.rename(store().path(spec), store().path(other))
    assert run(other).spec.seed == 5


def test_a_folder_that_cannot_be_written_is_told_before_training(spec, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(module, "_make", lambda spec: pytest.fail("trained first"))
    with pytest.raises(StudyError, match="set TCSTUDY_RESULTS to a writable folder"):
        run(spec, Store(tmp_path / "file" / "runs"))


def _run_and_count(spec: RunSpec, made: "multiprocessing.Queue") -> None:
    make = module._make
    module._make = lambda spec: made.put(os.getpid()) or make(spec)
    run(spec)


@pytest.mark.slow
def test_two_processes_that_want_the_same_run_make_it_once(spec):
    context = multiprocessing.get_context("spawn")
    made = context.Queue()
    processes = [context.Process(target=_run_and_count, args=(spec, made)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert made.qsize() == 1


def test_a_set_that_only_a_local_folder_could_have_is_left_out_with_a_reason(spec, capsys):
    sogou = spec.variant({"data.name": "sogou"})
    assert list(run_all({"bbc": spec, "sogou": sogou})) == ["bbc"]
    assert "run 2 of 2: sogou: left out: sogou is read from a local folder only" in capsys.readouterr().err
    with pytest.raises(StudyError, match="read from a local folder only"):
        run(sogou)
