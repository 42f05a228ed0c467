"""Every kind of step on the GPU of fake_cuda.py; writes what was noted to the file that it is given, as JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fake_cuda import FakeGPU, OneGPU, to_gpu  # isort: skip - first, before torch

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining, BertModel, ModernBertConfig, ModernBertModel

import tcstudy.training.loop
from tcstudy.encoding.documents import Document
from tcstudy.encoding.pretraining import MaskedPair
from tcstudy.models import readers
from tcstudy.models.attention import prepare, unpads
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.multitask import MultitaskClassifier
from tcstudy.models.pretraining import PretrainingModel
from tcstudy.spec import PROTOCOLS, FeatureSpec, TrainingSpec
from tcstudy.training import engine as engine_module
from tcstudy.training.checkpoint import Checkpoint, StateFile
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import cross_entropy_part
from tcstudy.training.multitask import TaskBatch, task_part
from tcstudy.training.optim import make_optimizer, overall_clip_norm
from tcstudy.training.pretrain import heads_part

LAYERS = 2
SIZE = {
    "num_hidden_layers": LAYERS,
    "hidden_size": 96,
    "num_attention_heads": 12,
    "intermediate_size": 384,
    "vocab_size": 1000,
}
OUT = Path(sys.argv[1])
generator = np.random.default_rng(0)


def documents(number: int, fractions: int, longest: int) -> list[Document]:
    lengths = generator.integers(longest // 10, longest, size=(number, fractions))
    return [Document([generator.integers(999, size=n).tolist() for n in row], label=0, length=1) for row in lengths]


def pairs(number: int) -> list[MaskedPair]:
    return [
        MaskedPair([5] * n, [0] * n, list(range(0, n, 7)), [5] * len(range(0, n, 7)), label=0)
        for n in generator.integers(100, 129, size=number)
    ]


SHORT, LONG, SPLIT, SINGLE = documents(24, 1, 60), documents(24, 1, 512), documents(24, 3, 200), documents(1, 3, 500)
FEW = documents(5, 2, 12)  # an LSTM is written out here, token by token


def bert() -> BertModel:
    body = BertModel(BertConfig(**SIZE), add_pooling_layer=False)
    prepare(body)
    return body


def modernbert() -> ModernBertModel:
    body = ModernBertModel(ModernBertConfig(**SIZE, global_attn_every_n_layers=2, local_attention=16, pad_token_id=0))
    prepare(body)
    return body


def classifier(
    features: FeatureSpec | None = None,
    method: str = "head+tail",
    budget: int = 16_384,
    frozen: bool = False,
    body: Callable[[], torch.nn.Module] = bert,
) -> Callable[[], TextClassifier]:
    return lambda: TextClassifier(body(), 2, features or FeatureSpec(), method, 0.1, budget, frozen)


def heads() -> PretrainingModel:
    model = BertForPreTraining(BertConfig(**SIZE))
    prepare(model)
    return PretrainingModel(model, (), frozen=False)


def engine_of(body: torch.nn.Module, accelerator: OneGPU) -> Engine:
    return Engine(accelerator, 16_384, 0, unpads(body))


def trained(make, batch_of, loss_of=cross_entropy_part, protocol="clean", accelerator=None):
    """An update, the second of a training, since the optimiser's state is there then."""
    accelerator = accelerator or OneGPU()

    def act(gpu: FakeGPU) -> int:
        model, training = to_gpu(make()), TrainingSpec()
        batch = batch_of(engine_of(model.encoder, accelerator))
        optimizer, schedule = make_optimizer(model, training, PROTOCOLS[protocol], 100)
        clip_norm = overall_clip_norm(training, PROTOCOLS[protocol])
        steps = tcstudy.training.loop.fit(
            model, [batch, batch, batch], loss_of, optimizer, schedule, accelerator, clip_norm
        )
        next(steps)
        gpu.forget()
        next(steps)
        return len(batch)

    return act


def predicted(make, chosen, accelerator=None):
    def act(gpu: FakeGPU) -> int:
        model = to_gpu(make())
        engine = engine_of(model.encoder, accelerator or OneGPU())
        gpu.forget()
        assert engine.predict(model, chosen).shape == (len(chosen), 2)
        return len(engine.plan(chosen))

    return act


def gone_on(gpu: FakeGPU) -> int:
    """Save after an update, restore another model and optimiser from that, and go on."""

    def training() -> tuple[Checkpoint, object]:
        model = to_gpu(classifier()())
        batch = engine_of(model.encoder, OneGPU()).micro_batches(SHORT)
        optimizer, schedule = make_optimizer(model, TrainingSpec(), PROTOCOLS["clean"], 100)
        checkpoint = Checkpoint(StateFile(OUT.with_suffix(".state")), model, optimizer, schedule, OneGPU())
        done = saved.step if (saved := checkpoint.restore()) else 0
        steps = tcstudy.training.loop.fit(
            model, [batch] * 9, cross_entropy_part, optimizer, schedule, OneGPU(), 1.0, done
        )
        return checkpoint, steps

    checkpoint, steps = training()
    best = {name: weight.detach().clone() for name, weight in checkpoint.model.named_parameters()}
    checkpoint.save(next(steps).number, {"losses": [1.0]}, best)
    checkpoint.wait()
    del checkpoint
    _, steps = training()
    gpu.forget()
    assert next(steps).number == 2
    return 1


def tasks(engine: Engine) -> list[TaskBatch]:
    return [TaskBatch("b", part) for part in engine.micro_batches(SHORT)]


def on_wrong_device(states, counts):
    padded, mask = split_by_document(states, counts)
    return padded, mask.shadow


def waiting(model, micro_batch, batch):
    assert len(micro_batch.labels.cpu()) == len(micro_batch.rows)
    return cross_entropy_part(model, micro_batch, batch)


split_by_document = readers.split_by_document


def with_fault(module, name, fault, act):
    def faulty(gpu: FakeGPU) -> int:
        before = getattr(module, name)
        setattr(module, name, fault)
        try:
            return act(gpu)
        finally:
            setattr(module, name, before)

    return faulty


def tune(make, chosen, **others):
    return trained(make, lambda engine: engine.micro_batches(chosen), **others)


bilstm = FeatureSpec(reader="bilstm")
both_layers = FeatureSpec(layers=(0, 1), join="concat")
STEPS = {
    "long documents": tune(classifier(), LONG),
    "short documents": tune(classifier(), SHORT),
    "as released": tune(classifier(), SHORT, protocol="released"),
    "hierarchical self-attention": tune(classifier(method="hierarchical self-attention"), SPLIT),
    "both layers": tune(classifier(both_layers), SHORT),
    "BERT-Feat": tune(classifier(bilstm, frozen=True), FEW),
    "biLSTM on layers that are trained": tune(classifier(both_layers.variant({"reader": "bilstm"})), FEW),
    "over the budget": tune(classifier(method="hierarchical max", budget=600), SINGLE),
    "a family that computes padding": tune(classifier(body=modernbert), SHORT),
    "MLM and NSP": trained(heads, lambda engine: engine.pair_batches(pairs(32)), heads_part),
    "multi-task": trained(
        lambda: MultitaskClassifier(bert(), {"a": 2, "b": 2}, "head+tail", 0.1, 16_384, False), tasks, task_part
    ),
    "in fp32": tune(classifier(), SHORT, accelerator=OneGPU(None)),
    "prediction": predicted(classifier(), documents(120, 1, 512)),
    "prediction of a biLSTM": predicted(classifier(bilstm, frozen=True), FEW),
    "gone on": gone_on,
}  # fmt: skip
FAULTS = {
    "a mask on the CPU": with_fault(
        sys.modules["tcstudy.models.classifier"], "split_by_document", on_wrong_device,
        tune(classifier(method="hierarchical max"), SPLIT)),
    "labels asked for": tune(classifier(), SHORT, loss_of=waiting),
    "cut as on a CPU, with padding": with_fault(engine_module, "group_tokens_on", lambda accelerator: 48, with_fault(
        sys.modules[__name__], "engine_of", lambda body, accelerator: Engine(accelerator, 16_384, 0),
        tune(classifier(), LONG[:8]))),
}  # fmt: skip

if __name__ == "__main__":
    found = {}
    for name, act in (STEPS | FAULTS).items():
        if len(sys.argv) > 2 and sys.argv[2] not in name:
            continue
        gpu = FakeGPU()
        try:
            with gpu:
                micro_batches = act(gpu)
        except Exception as error:
            if len(sys.argv) > 2:
                raise
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        else:
            found[name] = {
                "micro_batches": micro_batches,
                "kernels": gpu.kernels.total(),
                "copies": gpu.copies,
                "waits": gpu.waits,
                "products": gpu.products,
                "by_name": gpu.kernels,
            }
    OUT.write_text(json.dumps(found, indent=1))
