"""The code to copy on the front page: it runs as it stands, with another encoder, and its numbers are the study's."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.report.advice import standing
from tcstudy.report.intervals import LEAST_RUNS
from tcstudy.spec import TrainingSpec, WindowSpec

FRONT = (Path(__file__).parents[2] / "book" / "index.md").read_text(encoding="utf-8")
CODE = re.search(r"^```python\n(.*?)^```", FRONT, re.MULTILINE | re.DOTALL)[1]
COMMAND = re.search(r"^```sh\n(.*?)^```", FRONT, re.MULTILINE | re.DOTALL)[1]
ENCODER = "google-bert/bert-base-uncased"


@pytest.fixture
def tickets(tmp_path, monkeypatch):
    """A table of two classes that their words tell apart, in the current folder."""
    generator = np.random.default_rng(0)
    words = {"refund": "market profit bank shares", "login": "film actor music star"}
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(60):
            label = list(words)[row % 2]
            writer.writerow([" ".join([*generator.choice(words[label].split(), 5), f"{row}"]), label])
    monkeypatch.chdir(tmp_path)


def test_the_code_runs_on_a_table_of_ones_own(tickets, encoders, capsys, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert ENCODER in CODE
    names: dict = {}
    exec(compile(CODE.replace(ENCODER, str(encoders / "tiny")), "the front page", "exec"), names)
    assert len(names["errors"]) == LEAST_RUNS
    assert all(0 <= error <= 1 for error in names["errors"])
    assert len(names["test"]) == 12
    assert names["texts"].features["label"].names == ["login", "refund"]
    assert f"over {LEAST_RUNS} runs" in capsys.readouterr().out


def test_long_texts_lose_their_middle(tickets, encoders):
    start = CODE.index("def encode")
    before = CODE[:start].replace(ENCODER, str(encoders / "tiny")).replace("128, 382", "3, 4")
    names: dict = {}
    exec(compile(before + CODE[start : CODE.index("texts = ")], "the front page", "exec"), names)
    tokens = names["tokenizer"].convert_ids_to_tokens
    words = "market profit bank shares film actor music star award".split()
    encoded = names["encode"]({"text": " ".join(words), "label": "login"})
    assert tokens(encoded["input_ids"]) == ["[CLS]", *words[:3], *words[-4:], "[SEP]"]
    short = names["encode"]({"text": " ".join(words[:7]), "label": "refund"})
    assert tokens(short["input_ids"]) == ["[CLS]", *words[:7], "[SEP]"]


def test_its_numbers_are_those_of_the_study():
    training = TrainingSpec()
    given = dict(re.findall(r"(\w+)=([\d.e-]+)[,)]", CODE))
    assert float(given["learning_rate"]) == training.learning_rate
    assert int(given["num_train_epochs"]) == training.epochs
    assert int(given["per_device_train_batch_size"]) == training.batch_size
    assert float(given["warmup_steps"]) == training.warmup
    head, tail = map(int, re.search(r"bert-base-uncased\", (\d+), (\d+)", CODE).groups())
    told = [of.short for line in standing({}, PROFILES["smoke"]) for of in line.carried]
    assert f"Keep the first {head} and the last {tail} wordpieces" in told
    assert head + tail + 2 == WindowSpec().length
    assert f"range({LEAST_RUNS})" in CODE


def test_the_command_takes_the_table(tickets, call):
    [line] = [line for line in COMMAND.splitlines() if line.startswith("tcstudy apply")]
    _, *arguments = shlex.split(line)
    done = call(*(each.replace("minilm-l6-uncased", "tiny") for each in arguments), "--check")
    assert done.status == 0
    assert "2: login, refund" in done.out


def test_it_fits_on_a_screen():
    lines = [line for line in CODE.splitlines() if line.strip()]
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 120
