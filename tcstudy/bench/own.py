"""The study's own side: its functions as runs call them, on documents and weights that were prepared."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import safetensors
import torch
from accelerate.utils import set_seed

from tcstudy.bench.results import Timing, Workload
from tcstudy.bench.tasks import Task, drawn_documents, forward_operations, peak_memory, wait_for_device
from tcstudy.bench.workloads import START
from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.corpora.text import load_text
from tcstudy.encoding.documents import Document, read_documents
from tcstudy.encoding.pretraining import MaskedPair, PairStream
from tcstudy.encoding.sentences import Sentences
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.models.classifier import TextClassifier
from tcstudy.spec import (
    DataSpec,
    EncoderSpec,
    FeatureSpec,
    PretrainingRecipe,
    PretrainingSpec,
    RunSpec,
    TextSpec,
    TrainingSpec,
    WindowSpec,
)
from tcstudy.training.devices import device_name, make_accelerator, micro_batch_tokens
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import build_model, train_and_select
from tcstudy.training.outcome import Outcome
from tcstudy.training.pretrain import pretrain


def fine_tune(task: Task) -> Timing:
    """Fine-tune on the documents of the task, once each."""
    spec, model, documents, engine = _begin(task)
    lengths = [document.tokens for document in documents]

    def train(chosen: Sequence[Document]) -> Outcome:
        outcome = Outcome(encoder_digest="", made_new=(), device=device_name(engine.accelerator), processes=1)
        train_and_select(spec, model, chosen, documents[:1], engine, outcome)
        return outcome

    train(documents[: task.workload.warm_up])  # a single step, whose rate is zero
    set_seed(task.seed)
    outcome = train(documents)
    return Timing(
        seconds=outcome.training_seconds,
        steps=len(outcome.losses),
        tokens=outcome.tokens,
        padded_tokens=outcome.padded_tokens,
        operations=3 * forward_operations(lengths, encoder_facts(START)),
        peak_memory_bytes=peak_memory(),
        losses=tuple(outcome.losses),
    )


def predict(task: Task) -> Timing:
    """Predict the documents of the task."""
    _, model, documents, engine = _begin(task)
    engine.predict(model, documents[: task.workload.warm_up])
    wait_for_device()
    started = time.perf_counter()
    engine.predict(model, documents)
    seconds = time.perf_counter() - started
    return Timing(
        seconds=seconds,
        steps=task.workload.steps,
        tokens=sum(document.tokens for document in documents),
        padded_tokens=sum(batch.computed_tokens for batch in engine.micro_batches(documents)),
        operations=forward_operations([document.tokens for document in documents], encoder_facts(START)),
        peak_memory_bytes=peak_memory(),
    )


def pre_train(task: Task) -> Timing:
    """Pre-train further, MLM alone, on the documents of the task."""
    stage = pretraining_stage(task.workload, task.seed)
    inputs = first_inputs(stage)
    first_step = stage.variant({"recipe.steps": 1, "recipe.batch_size": task.workload.warm_up})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, spec in enumerate((first_step, stage)):
            outcome = pretrain(
                EncoderSpec(name=START).after(spec), folder / f"encoder-{number}", folder / f"{number}.state"
            )
    facts = encoder_facts(START)
    projection = sum(len(pair.targets) for pair in inputs) * facts.vocabulary * facts.width
    return Timing(
        seconds=outcome.training_seconds,
        steps=len(outcome.losses),
        tokens=outcome.tokens,
        padded_tokens=outcome.padded_tokens,
        operations=3 * forward_operations([pair.tokens for pair in inputs], facts) + 6 * projection,
        peak_memory_bytes=peak_memory(),
        losses=tuple(outcome.losses),
    )


def pretraining_stage(workload: Workload, seed: int) -> PretrainingSpec:
    """The further pre-training of a comparison."""
    recipe = PretrainingRecipe(
        batch_size=workload.batch_size,
        steps=workload.steps,
        length=workload.length,
        dropout=workload.dropout,
        nsp=False,
        seed=seed,
    )
    return PretrainingSpec(corpus=(TextSpec(name=workload.dataset),), recipe=recipe)


def first_inputs(stage: PretrainingSpec) -> list[MaskedPair]:
    """What the steps of `stage` train on, in order."""
    vocabulary, text = load_vocabulary(EncoderSpec(name=START)), load_text(stage)
    documents = Sentences.read(text.train, text.language, vocabulary)
    batches = PairStream(documents, vocabulary, stage.recipe, nsp=False).batches()
    return [pair for _ in range(stage.recipe.steps) for pair in next(batches)[0]]


def _begin(task: Task) -> tuple[RunSpec, TextClassifier, list[Document], Engine]:
    """The spec, the classifier with the prepared weights, the documents, and what runs the one on the others."""
    workload = task.workload
    spec = RunSpec(
        data=DataSpec(name=workload.dataset),
        encoder=EncoderSpec(name=START),
        window=WindowSpec(length=workload.length),
        features=FeatureSpec(pooler=True),
        training=TrainingSpec(batch_size=workload.batch_size, epochs=1, dropout=workload.dropout),
        seed=task.seed,
    )
    accelerator, vocabulary = make_accelerator(), load_vocabulary(spec.encoder)
    set_seed(task.seed)
    model, _, _ = build_model(spec, len(dataset_facts(workload.dataset).classes), micro_batch_tokens(accelerator))
    with (
        safetensors.safe_open(encoder_facts(START).local / "model.safetensors", framework="pt") as file,
        torch.no_grad(),
    ):
        model.output.weight.copy_(file.get_tensor("classifier.weight"))
        model.output.bias.copy_(file.get_tensor("classifier.bias"))
    model.to(accelerator.device)
    documents = read_documents(drawn_documents(workload), vocabulary, spec.window)
    return spec, model, documents, Engine.of(model.encoder, vocabulary.pad, accelerator)
