import itertools
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.documents import Document
from tcstudy.models.encoder import weights_digest
from tcstudy.study.store import Store
from tcstudy.training import finetune as module
from tcstudy.training.finetune import Engine, epoch_batches, finetune

PROGRAM = """
import json, sys
from tcstudy.spec import RunSpec
from tcstudy.study.run import run

print(json.dumps(run(RunSpec.model_validate_json(sys.argv[1])).curve.losses))
"""


def test_a_small_model_learns_and_its_best_epoch_is_tested(spec):
    outcome = finetune(spec.variant({"training.epochs": 20}), load_corpus(spec.data))
    labels = [document.label for document in outcome.test]
    assert np.mean(outcome.probabilities.argmax(axis=1) != labels) < 0.4  # chance is 0.8
    assert np.mean(outcome.losses[-5:]) < np.mean(outcome.losses[:5]) / 2
    best = min(outcome.evaluations, key=lambda evaluation: (evaluation.error, evaluation.loss))
    assert outcome.best_epoch == best.epoch
    assert len(outcome.losses) == 20 * 5
    assert outcome.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_same_spec_gives_the_same_numbers_and_another_seed_others(spec):
    corpus = load_corpus(spec.data)
    first, again, other = (finetune(spec.variant({"seed": seed}), corpus) for seed in (0, 0, 1))
    assert first.losses == again.losses
    assert np.array_equal(first.probabilities, again.probabilities)
    assert first.losses != other.losses


def test_the_micro_batch_budget_does_not_change_the_loss(spec, monkeypatch):
    spec = spec.variant({"training.dropout": 0.0, "window.method": "hierarchical self-attention"})
    corpus = load_corpus(spec.data)
    losses = []
    for budget in ("16", "100000"):
        monkeypatch.setenv("TCSTUDY_MICRO_BATCH_TOKENS", budget)
        losses.append(finetune(spec, corpus).losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_every_document_once_an_epoch_in_a_new_order():
    class Accelerator:
        device, num_processes = SimpleNamespace(type="cpu"), 1

    documents = [Document([[2, i, 3]], i, 1) for i in range(10)]
    batches = list(epoch_batches(documents, batch_size=4, epochs=range(2), seed=0, engine=Engine(Accelerator(), 6, 0)))
    labels = [[label for micro in batch for label in micro.labels.tolist()] for batch in batches]
    assert [len(batch) for batch in labels] == [4, 4, 2, 4, 4, 2]
    first, second = (list(itertools.chain(*epoch)) for epoch in (labels[:3], labels[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_clean_never_reads_the_test_split_before_the_end(spec, monkeypatch):
    corpus = load_corpus(spec.data)
    reads = []
    monkeypatch.setattr(
        module, "read_documents", lambda split, *rest: reads.append(split) or _read_documents(split, *rest)
    )
    steps = []
    monkeypatch.setattr(module, "fit", lambda *arguments: (steps.append(len(reads)) or s for s in _fit(*arguments)))
    finetune(spec, corpus)
    assert set(steps) == {2}
    assert [id(split) for split in reads] == [id(corpus.train), id(corpus.validation), id(corpus.test)]


_read_documents, _fit = module.read_documents, module.fit


def test_released_selects_on_test(spec):
    outcome = finetune(spec.variant({"protocol": "released"}), load_corpus(spec.data))
    labels = np.array([document.label for document in outcome.test])
    tested = np.mean(outcome.probabilities.argmax(axis=1) != labels)
    assert tested == pytest.approx(min(evaluation.error for evaluation in outcome.evaluations))


def test_a_loss_that_is_not_finite_is_a_result(spec):
    outcome = finetune(
        spec.variant({"training.learning_rate": 1e30, "training.clip_norm": 1e30}), load_corpus(spec.data)
    )
    assert outcome.diverged_at is not None
    assert outcome.probabilities is None
    assert outcome.best_epoch is None
    assert len(outcome.losses) == outcome.diverged_at - 1
    assert np.isfinite(outcome.losses).all()


def test_weights_ruined_by_the_last_update_of_an_epoch_are_noticed(spec):
    changes = {"training.learning_rate": 1e30, "training.clip_norm": 1e30, "training.batch_size": 40}
    outcome = finetune(spec.variant(changes), load_corpus(spec.data))
    assert outcome.diverged_at == len(outcome.losses) == 2  # the first update has a rate of zero
    assert outcome.probabilities is None


def test_points_between_epochs_change_nothing_of_the_model(spec):
    """Five updates an epoch, two epochs; dropout is on, so a random number more or less would show."""
    corpus = load_corpus(spec.data)
    plain = finetune(spec, corpus)
    for every, steps in [(1, range(1, 11)), (2, [2, 4, 5, 6, 8, 10]), (5, [5, 10]), (100, [5, 10])]:
        outcome = finetune(spec.variant({"measures.every": every}), corpus)
        assert [point.step for point in outcome.points] == list(steps)
        assert [point for point in outcome.points if point.step in (5, 10)] == outcome.evaluations == plain.evaluations
        assert [point.epoch for point in outcome.points] == [step // 5 for step in steps]
        assert np.array_equal(outcome.probabilities, plain.probabilities)
        assert outcome.losses == plain.losses
        assert outcome.best_epoch == plain.best_epoch
    assert plain.points == []


def test_the_best_point_between_epochs_is_not_chosen(spec, monkeypatch):
    """Weights between the epochs' ends that look perfect do not become the model."""
    spec = spec.variant({"measures.every": 2})
    corpus = load_corpus(spec.data)
    expected = finetune(spec, corpus).probabilities

    def flattering(*arguments):
        evaluation = _evaluate(*arguments)
        return evaluation if evaluation.step % 5 == 0 else evaluation.model_copy(update={"error": 0.0, "loss": 0.0})

    monkeypatch.setattr(module, "evaluate", flattering)
    outcome = finetune(spec, corpus)
    assert min(point.error for point in outcome.points) == 0.0
    assert np.array_equal(outcome.probabilities, expected)


_evaluate = module.evaluate


@pytest.mark.parametrize("batch_size", [8, 40])
def test_points_do_not_decide_when_a_run_has_diverged(spec, batch_size):
    changes = {"training.learning_rate": 1e30, "training.clip_norm": 1e30, "training.batch_size": batch_size}
    corpus = load_corpus(spec.data)
    plain = finetune(spec.variant(changes), corpus)
    measured = finetune(spec.variant({**changes, "measures.every": 1}), corpus)
    assert measured.diverged_at == plain.diverged_at
    assert measured.losses == plain.losses
    assert len(measured.points) < len(measured.losses)  # a point that is not finite is left out


@pytest.mark.parametrize(("reader", "share"), [("cls", 0.95), ("bilstm", 0.6)])
def test_a_frozen_encoder_stays_as_it_is_and_what_stands_on_it_learns(spec, reader, share, monkeypatch):
    built = []
    monkeypatch.setattr(module, "build_model", lambda *arguments: built.append(_build_model(*arguments)) or built[-1])
    changes = {"features.reader": reader, "training.frozen": True, "training.epochs": 10}
    outcome = finetune(spec.variant(changes), load_corpus(spec.data))
    [(model, digest, _)] = built
    assert weights_digest(model.encoder) == digest == outcome.encoder_digest
    assert np.mean(outcome.losses[-5:]) < share * np.mean(outcome.losses[:5])


_build_model = module.build_model


def test_bert_feat_reads_hierarchical_windows_too(spec):
    changes = {"features.reader": "bilstm", "features.layers": [0, 1], "training.epochs": 1}
    corpus = load_corpus(spec.data)
    head, whole = (
        finetune(spec.variant({**changes, "window.method": method}), corpus)
        for method in ("head-only", "hierarchical mean")
    )
    assert whole.tokens > 2 * head.tokens
    assert np.isfinite(whole.probabilities).all()
    assert not np.array_equal(whole.probabilities, head.probabilities)


def test_the_optimiser_without_bias_correction_is_clipped_as_adamw(spec, monkeypatch):
    norms = []
    monkeypatch.setattr(module, "fit", lambda *arguments: norms.append(arguments[6]) or _fit(*arguments))
    corpus = load_corpus(spec.data)
    losses = []
    for optimizer in ("adamw", "adamw without bias correction", "bertadam"):
        losses.append(finetune(spec.variant({"protocol.optimizer": optimizer}), corpus).losses)
    assert norms == [1.0, 1.0, None]
    assert len({tuple(values) for values in losses}) == 3


@pytest.mark.slow
def test_two_processes_make_the_same_updates_as_one(spec, tmp_path):
    """One record, made by two processes on the CPU, beside the same run in this process; dropout off."""
    from tcstudy.study.run import run

    spec = spec.variant({"training.dropout": 0.0})
    alone = run(spec)
    (tmp_path / "program.py").write_text(PROGRAM)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {"TCSTUDY_RESULTS": str(tmp_path / "together"), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*launch, str(tmp_path / "program.py"), spec.model_dump_json()],
        env=os.environ | environment,
        check=True,
        timeout=300,
    )
    [path] = (tmp_path / "together").glob("*.json")
    together = Store(path.parent).read(path)
    assert together.provenance.processes == 2
    assert together.curve.losses == pytest.approx(alone.curve.losses, rel=1e-3)
    assert np.array_equal(together.test.predicted.unpack(), alone.test.predicted.unpack())
