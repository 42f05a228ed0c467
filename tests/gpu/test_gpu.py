"""Everything that a GPU does, on a real one: one command, `pytest -m gpu`; where there is none, all is skipped."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertForSequenceClassification, BertModel, Trainer, TrainingArguments

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.documents import Document
from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.models import attention
from tcstudy.models.attention import prepare
from tcstudy.models.classifier import TextClassifier
from tcstudy.spec import PROTOCOLS, EncoderSpec, FeatureSpec, MultitaskSpec, PretrainingSpec, TrainingSpec
from tcstudy.training import checkpoint
from tcstudy.training import finetune as module
from tcstudy.training.devices import make_accelerator
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import cross_entropy_part, epoch_batches, finetune
from tcstudy.training.loop import fit
from tcstudy.training.multitask import train_multitask
from tcstudy.training.optim import make_optimizer
from tcstudy.training.pretrain import pretrain

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    pytest.mark.usefixtures("own_accelerator"),
]

HAS_BF16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
KINDS = {
    "plain": {},
    "as released": {"protocol": "released"},
    "hierarchical": {"window.method": "hierarchical self-attention"},
    "both layers": {"features.layers": [0, 1]},
    "biLSTM on a frozen encoder": {"features.reader": "bilstm", "training.frozen": True},
    "biLSTM on a trained encoder": {"features.reader": "bilstm", "window.method": "hierarchical mean"},
}
PRECISIONS = [
    ("fp32", 1e-2),
    pytest.param("bf16", 5e-2, marks=pytest.mark.skipif(not HAS_BF16, reason="the GPU has no bf16")),
]
ON_THE_CPU = """
import json, sys
from pathlib import Path
from tcstudy.corpora.loading import load_corpus
from tcstudy.spec import EncoderSpec, RunSpec
from tcstudy.training.finetune import finetune
from tcstudy.training.multitask import train_multitask
from tcstudy.training.pretrain import pretrain

kind, given, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if kind == "run":
    spec = RunSpec.model_validate_json(given)
    print(json.dumps(finetune(spec, load_corpus(spec.data)).losses))
else:
    make = {"pretrain": pretrain, "multitask": train_multitask}[kind]
    print(json.dumps(make(EncoderSpec.model_validate_json(given), folder / "made", folder / "cpu.state").losses))
"""


def on_the_cpu(kind, spec, folder) -> list[float]:
    """The losses of the same training without the GPU, in a process of its own."""
    called = subprocess.run(
        [sys.executable, "-c", ON_THE_CPU, kind, spec.model_dump_json(), str(folder)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "TCSTUDY_PRECISION": "fp32"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(called.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("precision", "apart"), PRECISIONS)
def test_a_gpu_makes_the_same_updates_as_the_cpu(spec, monkeypatch, tmp_path, kind, precision, apart):
    monkeypatch.setenv("TCSTUDY_PRECISION", precision)
    spec = spec.variant({"training.dropout": 0.0, **KINDS[kind]})
    outcome = finetune(spec, load_corpus(spec.data))
    assert outcome.device.endswith(f", {precision}")
    assert "cpu" not in outcome.device
    assert outcome.losses == pytest.approx(on_the_cpu("run", spec, tmp_path), rel=apart)
    assert np.isfinite(outcome.probabilities).all()


@pytest.mark.parametrize(("precision", "apart"), PRECISIONS)
def test_further_pre_training_and_multi_task_training_are_those_of_the_cpu(monkeypatch, tmp_path, precision, apart):
    monkeypatch.setenv("TCSTUDY_PRECISION", precision)
    recipe = {"steps": 12, "batch_size": 8, "length": 24, "learning_rate": 1e-3, "dropout": 0.0}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "bbc_news"}], "recipe": recipe})
    encoder = EncoderSpec(name="tiny").after(stage)
    losses = pretrain(encoder, tmp_path / "encoder", tmp_path / "x.state").losses
    assert losses == pytest.approx(on_the_cpu("pretrain", encoder, tmp_path), rel=apart)
    tasks = [{"name": name, "train": 40, "validation": 20, "test": 30} for name in ("bbc_news", "rotten_tomatoes")]
    training = {"learning_rate": 1e-3, "batch_size": 8, "epochs": 1, "dropout": 0.0}
    stage = MultitaskSpec.model_validate({"tasks": tasks, "window": {"length": 16}, "training": training})
    encoder = EncoderSpec(name="tiny").after(stage)
    losses = train_multitask(encoder, tmp_path / "tasks").losses
    assert losses == pytest.approx(on_the_cpu("multitask", encoder, tmp_path), rel=apart)


class Killed(BaseException):
    """Nothing in the package catches it."""


@pytest.mark.parametrize("kind", ["plain", "biLSTM on a frozen encoder"])
def test_a_run_that_is_broken_off_goes_on_with_the_same_random_numbers(spec, monkeypatch, tmp_path, kind):
    """Dropout is on; sums of a GPU may differ in the last bits."""
    spec = spec.variant(KINDS[kind])
    corpus, state = load_corpus(spec.data), tmp_path / "x.state"
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    whole = finetune(spec, corpus)

    def broken_off(*arguments):
        for step in fit(*arguments):
            yield step
            if step.number == 7:
                raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(module, "fit", broken_off)
        patched.setattr(checkpoint.Checkpoint, "due", property(lambda self: True))
        finetune(spec, corpus, state)
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {name.partition(".")[2] for name in load_file(state) if name.startswith("random.")} == {"0.cpu", "0.cuda"}
    resumed = finetune(spec, corpus, state)
    assert resumed.losses == pytest.approx(whole.losses, rel=1e-2)
    assert np.abs(resumed.probabilities - whole.probabilities).max() < 0.02


def documents(number: int, lengths: tuple[int, int], words: int = 1000) -> list[Document]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(*lengths, size=number)
    return [Document([generator.integers(5, words, size=n).tolist()], i % 2, int(n)) for i, n in enumerate(sizes)]


def steps_of(config: BertConfig, batches_of, dropout: float = 0.0):
    """An iterator over updates of a random BERT of `config`, and the model."""
    accelerator, training = make_accelerator(), TrainingSpec()
    torch.manual_seed(0)
    body = BertModel(config, add_pooling_layer=False)
    prepare(body)
    engine = Engine.of(body, 0, accelerator)
    model = TextClassifier(body, 2, FeatureSpec(), "head-only", dropout, engine.budget).to(accelerator.device)
    optimizer, schedule = make_optimizer(model, training, PROTOCOLS["clean"], 1000)
    return fit(model, batches_of(engine), cross_entropy_part, optimizer, schedule, accelerator, 1.0), model


MIDDLE = BertConfig(
    vocab_size=1000,
    hidden_size=512,
    num_hidden_layers=4,
    num_attention_heads=8,
    intermediate_size=2048,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def test_where_memory_is_used_up_the_batch_is_halved_and_the_losses_stay():
    own = documents(128, (100, 128))

    def losses() -> tuple[list[float], int]:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        steps, _ = steps_of(MIDDLE, lambda engine: [engine.micro_batches(own)] * 3)
        return [step.loss for step in steps], torch.cuda.max_memory_allocated()

    whole, peak = losses()
    try:
        torch.cuda.set_per_process_memory_fraction(0.75 * peak / torch.cuda.get_device_properties(0).total_memory)
        halved, less = losses()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert less < 0.8 * peak
    assert halved == pytest.approx(whole, rel=1e-2)


@pytest.mark.skipif(not HAS_BF16, reason="flash attention needs a GPU with bf16")
def test_flash_attention_among_real_tokens_is_that_of_a_padded_rectangle(monkeypatch):
    own, gradients, called = documents(24, (5, 128)), [], []
    operator = attention._fits_flash
    monkeypatch.setattr(attention, "_fits_flash", lambda query: called.append(operator(query)) or called[-1])
    for flash in (True, False):
        if not flash:
            monkeypatch.setattr(attention, "_fits_flash", lambda query: False)
        steps, model = steps_of(MIDDLE, lambda engine: [engine.micro_batches(own)])
        loss = next(steps).loss
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
        assert np.isfinite(loss)
    assert called == [True] * 4
    assert (gradients[0] - gradients[1]).norm() / gradients[1].norm() < 0.05


def test_dropout_in_attention_changes_nothing_on_average():
    dtype, lengths = torch.bfloat16 if HAS_BF16 else torch.float32, [5, 9, 9, 2]
    real = RealTokens.of(lengths, max(lengths)).to(torch.device("cuda"))
    packed = torch.randn(3, 1, 4, sum(lengths), 16, device="cuda", dtype=dtype)

    def attend(dropout: float) -> torch.Tensor:
        return attention.attention(torch.nn.Identity(), *packed, None, dropout=dropout, real_tokens=real)[0].float()

    expected, drawn = attend(0.0), torch.stack([attend(0.2) for _ in range(2000)])
    assert drawn.std(dim=0).min() > 0
    assert ((drawn.mean(dim=0) - expected).abs() < 5 * drawn.std(dim=0) / 2000**0.5 + 0.01).all()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BF16, reason="Trainer would be given a precision that is not the package's")
@pytest.mark.parametrize("lengths", [(20, 80), (100, 512)], ids=["short", "long"])
def test_an_update_takes_no_longer_than_that_of_trainer_in_the_same_precision(tmp_path, lengths):
    own, warm_up, measured = documents(24 * 30, lengths), 10, 20
    base = BertConfig(vocab_size=1000)
    steps, _ = steps_of(base, lambda engine: epoch_batches(own, 24, range(1), 0, engine), dropout=0.1)
    for _ in range(warm_up):
        next(steps)
    started = time.perf_counter()
    for _ in range(measured):
        next(steps)
    torch.cuda.synchronize()
    ours = time.perf_counter() - started

    def seconds(number: int) -> float:
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=24,
            max_steps=number,
            bf16=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=rectangle)
        started = time.perf_counter()
        trainer.train()
        torch.cuda.synchronize()
        return time.perf_counter() - started

    rows = [{"ids": document.fractions[0], "label": document.label} for document in own]
    model = BertForSequenceClassification(base)
    seconds(warm_up)
    assert ours < 1.05 * seconds(measured)


def rectangle(rows: list[dict]) -> dict[str, torch.Tensor]:
    ids = [torch.tensor(row["ids"]) for row in rows]
    return {
        "input_ids": pad_sequence(ids, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        "labels": torch.tensor([row["label"] for row in rows]),
    }
