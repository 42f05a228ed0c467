"""Both sides do the same work: tokens, batches, and with dropout off the same loss at every step."""

import numpy as np
import pytest
from datasets import Dataset
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

from tcstudy.bench import own, rival, workloads
from tcstudy.bench.results import OWN, Workload
from tcstudy.bench.tasks import Task, drawn_documents
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.encoding.documents import read_documents
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec, TrainingSpec, WindowSpec

WORKLOAD = Workload(dataset="bbc_news", length=32, batch_size=8, steps=5, documents=40, warm_up=8, dropout=0.0)


@pytest.fixture
def classifier(plan, monkeypatch):
    """Documents and a classifier as they are prepared for a comparison, found by this process."""
    for name, value in plan.prepared("classifier", WORKLOAD, workloads.save_classifier).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def heads(plan, monkeypatch):
    """The same for further pre-training."""
    for name, value in plan.prepared("heads", WORKLOAD, workloads.save_heads).items():
        monkeypatch.setenv(name, value)


def test_without_dropout_fine_tuning_has_trainers_loss_at_every_step(classifier):
    ours = own.fine_tune(Task(action="fine-tune", workload=WORKLOAD, seed=3))
    tokenizer, model = rival._classifier()
    order = np.random.default_rng(3).permutation(WORKLOAD.documents)
    rows = rival.tokenised(WORKLOAD, tokenizer).select(order)
    recipe = TrainingSpec(batch_size=WORKLOAD.batch_size)
    theirs = rival.train(model, rows, DataCollatorWithPadding(tokenizer), recipe, 3, "sequential", logging_steps=1)
    assert len(theirs.losses) == WORKLOAD.steps
    assert np.ptp(theirs.losses) > 1e-2
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-4)
    assert (ours.steps, ours.tokens) == (theirs.steps, theirs.tokens)


def test_without_dropout_pre_training_has_trainers_loss_at_every_step(heads):
    """On equal masks; Trainer's own collator would draw others."""
    ours = own.pre_train(Task(action="pre-train", workload=WORKLOAD, seed=3))
    stage = own.pretraining_stage(WORKLOAD, seed=3)
    masked = own.first_inputs(stage)
    labels = [[dict(zip(x.positions, x.targets, strict=True)).get(i, -100) for i in range(len(x.ids))] for x in masked]
    rows = Dataset.from_dict({"input_ids": [x.ids for x in masked], "labels": labels})
    folder = encoder_facts(workloads.START).local
    collator = DataCollatorForTokenClassification(AutoTokenizer.from_pretrained(folder))
    model = AutoModelForMaskedLM.from_pretrained(folder)
    theirs = rival.train(model, rows, collator, stage.recipe, 3, "sequential", logging_steps=1)
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-4)
    assert (ours.steps, ours.tokens) == (theirs.steps, theirs.tokens)


def test_both_sides_predict_the_same_classes(classifier):
    """The prepared weights are those of either side."""
    _, model, documents, engine = own._begin(Task(action="predict", workload=WORKLOAD))
    tokenizer, theirs = rival._classifier()
    rows = rival.tokenised(WORKLOAD, tokenizer)
    probabilities = engine.predict(model, documents)
    for row, probability in zip(rows, probabilities, strict=True):
        logits = theirs(**tokenizer.pad({"input_ids": [row["input_ids"]]}, return_tensors="pt")).logits
        assert logits.softmax(-1)[0].tolist() == pytest.approx(probability.tolist(), abs=1e-5)


def test_the_library_cuts_texts_as_a_head_only_window(classifier):
    tokenizer, _ = rival._classifier()
    rows = rival.tokenised(WORKLOAD, tokenizer)
    vocabulary = load_vocabulary(EncoderSpec(name=workloads.START))
    documents = read_documents(drawn_documents(WORKLOAD), vocabulary, WindowSpec(length=WORKLOAD.length))
    assert [document.fractions[0] for document in documents] == list(rows["input_ids"])
    assert max(map(len, rows["input_ids"])) == WORKLOAD.length


def test_grouping_pads_less_and_leaves_out_nothing(classifier):
    tokenizer, _ = rival._classifier()
    rows = rival.tokenised(WORKLOAD, tokenizer)
    grouped = rival.grouped(rows, WORKLOAD, seed=0)
    assert sorted(grouped["text"]) == sorted(rows["text"])

    def padded(some: Dataset) -> int:
        lengths = np.array([len(ids) for ids in some["input_ids"]]).reshape(WORKLOAD.steps, WORKLOAD.batch_size)
        return int(lengths.max(axis=1).sum()) * WORKLOAD.batch_size

    assert padded(grouped) < padded(rows)
    sides = {
        side: rival.fine_tune(Task(action="fine-tune", side=side, workload=WORKLOAD)) for side in ("x", rival.GROUPED)
    }
    assert sides[rival.GROUPED].padded_tokens == padded(grouped)
    assert sides["x"].tokens == sides[rival.GROUPED].tokens == sum(map(len, rows["input_ids"]))


def test_inputs_before_masking_hold_no_mask(heads):
    inputs = own.first_inputs(own.pretraining_stage(WORKLOAD, seed=0))
    vocabulary = load_vocabulary(EncoderSpec(name=workloads.START))
    assert len(inputs) == WORKLOAD.steps * WORKLOAD.batch_size
    assert any(vocabulary.mask in pair.ids for pair in inputs)
    assert not any(vocabulary.mask in rival.pair_ids(pair) for pair in inputs)


def test_the_warm_up_leaves_the_weights_as_they_were(classifier):
    """Its single step has a rate of zero, so that both sides begin to be measured with equal weights."""
    task = Task(action="fine-tune", workload=WORKLOAD)
    more = task.model_copy(update={"workload": WORKLOAD.variant({"warm_up": 4})})
    assert own.fine_tune(task).losses == own.fine_tune(more).losses
    assert task.side == OWN
