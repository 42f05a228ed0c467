import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.tokens import Document
from tcstudy.study.record import Record
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
        pass

    documents = [Document([[2, i, 3]], i, 1) for i in range(10)]
    batches = list(epoch_batches(documents, batch_size=4, epochs=2, seed=0, engine=Engine(Accelerator(), 6, 0)))
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
    together = Record.model_validate_json(path.read_text())
    assert together.provenance.processes == 2
    assert together.curve.losses == pytest.approx(alone.curve.losses, rel=1e-3)
    assert np.array_equal(together.test.predicted.unpack(), alone.test.predicted.unpack())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_makes_the_same_updates_as_the_cpu(spec, monkeypatch):
    spec = spec.variant({"training.dropout": 0.0})
    corpus = load_corpus(spec.data)
    on_gpu = finetune(spec, corpus)
    assert "cpu" not in on_gpu.device
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM, spec.model_dump_json()],
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert on_gpu.losses == pytest.approx(json.loads(printed), rel=1e-2)
