"""The measurements, quick and with the tiny encoder: both sides do the same work."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from datasets import Dataset
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForTokenClassification

from benchmarks import sides
from benchmarks.sides import GROUPED, OWN, TRAINER, USUAL
from benchmarks.speed import BASE, Bench
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec, TrainingSpec

ROOT = Path(__file__).parents[2]
WORKLOAD = {
    "dataset": "bbc_news",
    "length": 32,
    "batch_size": 8,
    "steps": 5,
    "documents": 40,
    "warm_up": 8,
    "dropout": 0.0,
}


def task(action, side=OWN, **changed):
    usual = {"workload": WORKLOAD, "seed": 3, "precision": "no", "float32": "highest"}
    return {"action": action, "side": side} | usual | changed


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A quick one with two turns, in the tests' own process, which need not load the libraries again."""
    asked = []

    def spawn(given, environment):
        asked.append((given["action"], given["side"], given["seed"]))
        with monkeypatch.context() as changed:
            for name, value in environment.items():
                changed.setenv(name, value)
            return json.loads(json.dumps(sides.perform(given)))

    (tmp_path / "bench").mkdir()
    quick = Bench("tiny", 2, quick=True, folder=tmp_path / "bench", spawn=spawn)
    quick.asked = asked
    return quick


@pytest.fixture
def prepared(bench, monkeypatch):
    """Documents and weights as they are prepared for a comparison, found by this process."""

    def prepare(heads=False):
        for name, value in bench.prepared("comparison", WORKLOAD, heads).items():
            monkeypatch.setenv(name, value)

    return prepare


@pytest.mark.parametrize(
    ("name", "rivals"),
    [("finetune-long", [TRAINER, GROUPED]), ("predict-short", [TRAINER, USUAL]), ("pretrain", [TRAINER])],
)
def test_sides_take_turns_and_do_the_same_work(bench, name, rivals):
    kind, [found] = bench.measure(name)
    assert kind == "comparisons"
    action = bench.asked[1][0]
    turn = [("multiply", OWN), *((action, side) for side in (OWN, *rivals))]
    assert [(action, side) for action, side, _ in bench.asked] == turn * 2
    assert [seed for action, _, seed in bench.asked if action != "multiply"] == [0] * len([OWN, *rivals]) + [1] * len(
        [OWN, *rivals]
    )
    for number, turn in enumerate(found["turns"]):
        assert turn["ceiling"]["operations"] == 3 * 2 * 256**3
        for timing in turn["sides"].values():
            assert timing["steps"] == 2
            assert timing["tokens"] == turn["sides"][OWN]["tokens"] > 0, number
            assert timing["operations"] == turn["sides"][OWN]["operations"] > 0
            assert timing["padded_tokens"] >= timing["tokens"]
            assert min(timing["seconds"], timing["peak_memory_bytes"]) > 0


def test_sides_that_did_other_work_are_not_compared(bench):
    bench.spawn = lambda given, environment: {"steps": 2, "tokens": 100 - (given["side"] == TRAINER)}
    with pytest.raises(ValueError, match=r"other work|different work.*\(2, 100\).*\(2, 99\)"):
        bench.measure("predict-short")


def test_growth_is_measured_at_each_amount(bench):
    amounts = {"documents": [10, 20], "window": [8, 16], "runs": [2, 4]}
    found = {growth["name"]: growth for name in amounts for growth in bench.measure(name)[1]}
    assert [point["amount"] for point in found["tokenise"]["points"]] == [10, 20]
    assert [point["timings"][0]["steps"] for point in found["plan batches"]["points"]] == [3, 5]  # batches of 4
    assert [point["timings"][1]["steps"] for point in found["load records"]["points"]] == [2, 4]
    tokens = [point["timings"][0]["tokens"] for point in found["fine-tune"]["points"]]
    assert 0 < tokens[0] < tokens[1]


def test_an_encoder_that_is_not_here_is_stood_in_for_by_one_of_its_size(bench, monkeypatch):
    monkeypatch.setattr("benchmarks.speed.DEFAULT", "tiny")
    bench.encoder = BASE
    monkeypatch.setenv("TCSTUDY_ENCODERS", bench.prepared("base", WORKLOAD)["TCSTUDY_ENCODERS"])
    facts, wanted = encoder_facts("start"), encoder_facts(BASE)
    assert (facts.layers, facts.width, facts.vocabulary) == (wanted.layers, wanted.width, wanted.vocabulary)


def test_without_dropout_fine_tuning_has_trainers_loss_at_every_step(prepared):
    prepared()
    ours = sides.perform(task("fine-tune"))
    collator, model, rows = sides.classifier(task("fine-tune"))
    rows = rows.select(np.random.default_rng(3).permutation(WORKLOAD["documents"]))
    given = {"train_sampling_strategy": "sequential", "logging_steps": 1}
    recipe = TrainingSpec(batch_size=WORKLOAD["batch_size"])
    theirs = sides.train(task("fine-tune", TRAINER), model, rows, collator, recipe, **given)
    assert len(theirs["losses"]) == WORKLOAD["steps"]
    assert np.ptp(theirs["losses"]) > 1e-2
    assert ours["losses"] == pytest.approx(theirs["losses"], abs=1e-4)
    assert (ours["steps"], ours["tokens"]) == (theirs["steps"], theirs["tokens"])
    few = task("fine-tune", workload=WORKLOAD | {"warm_up": 4})
    assert sides.perform(few)["losses"] == ours["losses"]  # the warm-up leaves the weights as they were


def test_without_dropout_pre_training_has_trainers_loss_at_every_step(prepared):
    """On equal masks; Trainer's own collator would draw others."""
    prepared(heads=True)
    ours, stage = sides.perform(task("pre-train")), sides.stage_of(task("pre-train"))
    masked = sides.first_inputs(stage)
    labels = [[dict(zip(x.positions, x.targets, strict=True)).get(i, -100) for i in range(len(x.ids))] for x in masked]
    rows = Dataset.from_dict({"input_ids": [x.ids for x in masked], "labels": labels})
    folder = encoder_facts("start").local
    collator = DataCollatorForTokenClassification(AutoTokenizer.from_pretrained(folder))
    model = AutoModelForMaskedLM.from_pretrained(folder)
    given = {"train_sampling_strategy": "sequential", "logging_steps": 1}
    theirs = sides.train(task("pre-train", TRAINER), model, rows, collator, stage.recipe, **given)
    assert ours["losses"] == pytest.approx(theirs["losses"], abs=1e-4)
    assert (ours["steps"], ours["tokens"]) == (theirs["steps"], theirs["tokens"])
    mask = load_vocabulary(EncoderSpec(name="start")).mask
    assert any(mask in pair.ids for pair in masked)
    assert not any(mask in sides.unmasked(pair) for pair in masked)


def test_both_sides_predict_the_same_classes_from_the_same_tokens(prepared):
    prepared()
    _, model, documents, engine = sides.begin(task("predict"))
    collator, theirs, rows = sides.classifier(task("predict", TRAINER))
    assert [document.fractions[0] for document in documents] == list(rows["input_ids"])
    for row, probability in zip(rows, engine.predict(model, documents), strict=True):
        logits = theirs(**collator.tokenizer.pad({"input_ids": [row["input_ids"]]}, return_tensors="pt")).logits
        assert logits.softmax(-1)[0].tolist() == pytest.approx(probability.tolist(), abs=1e-5)


def test_grouping_pads_less(prepared):
    prepared()
    plain, grouped = (sides.perform(task("fine-tune", side)) for side in (TRAINER, GROUPED))
    assert plain["tokens"] == grouped["tokens"] < grouped["padded_tokens"] < plain["padded_tokens"]


@pytest.mark.parametrize(("precision", "bf16"), [("no", False), ("bf16", True)])
def test_trainer_computes_in_the_precision_of_the_package(prepared, monkeypatch, request, precision, bf16):
    prepared()
    request.addfinalizer(lambda: AcceleratorState._reset_state(reset_partial_state=True))  # a process has one precision
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    collator, model, _ = sides.classifier(task("predict"))
    own, _ = sides.trainer(task("predict", TRAINER, precision=precision), model, collator)
    assert own.args.bf16 is bf16
    assert own.accelerator.mixed_precision == precision


@pytest.mark.slow
def test_the_command_measures_in_processes_and_writes(tmp_path):
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "benchmarks.speed", "--quick", "--encoder", "tiny", "--turns", "1"]
    only = ["--only", "finetune-short", "--output", output]
    ended = subprocess.run([*command, *only], capture_output=True, text=True, check=True, timeout=600, cwd=ROOT)
    assert f"fine-tuning, short snippets, {TRAINER}: " in ended.stdout
    found = json.loads(output.read_text())
    assert found["quick"]
    assert found["comparisons"][0]["encoder"] == "tiny"
    assert found["machine"]["device"]
