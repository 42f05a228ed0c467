"""What is measured, each time in a process of its own: both sides of a comparison, and amounts of work.

Weights and documents are those that `benchmarks.speed` prepared; what a process measured of itself is printed as JSON.
"""

import json
import re
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import safetensors
import torch
import transformers
from accelerate.utils import parse_flag_from_env, set_seed
from transformers.trainer_pt_utils import get_length_grouped_indices

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.corpora.text import load_text
from tcstudy.encoding.documents import Document, read_documents
from tcstudy.encoding.pretraining import MaskedPair, PairStream, Sentences
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments import BaseRate
from tcstudy.models.classifier import TextClassifier
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, OptimizationSpec, PretrainingSpec, RunSpec, TrainingSpec, WindowSpec
from tcstudy.study.results import recorded
from tcstudy.study.work import Body
from tcstudy.training.devices import device_name, make_accelerator, micro_batch_tokens
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import build_model, epoch_batches, train_and_select
from tcstudy.training.optim import EPS
from tcstudy.training.outcome import Outcome
from tcstudy.training.pretrain import pretrain

Task = dict[str, Any]
"""An action, a side, and what they need: a workload, an amount, a seed, the precision that accelerate chose."""
START = "start"  # the weights that all sides begin with, in the prepared folder of encoders
OWN, TRAINER, GROUPED, USUAL = "tcstudy", "Trainer", "Trainer, grouped by length", "Trainer, its usual batches"


def start() -> EncoderSpec:
    return EncoderSpec(name=START)


def peak_memory() -> int:
    """Bytes: of the GPU if there is one, else the most that this process held; Linux counts it without its parent's."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux" and (found := re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())):
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def clock() -> float:
    """The time, once the device has ended what it was asked to do."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


def drawn(workload: Task) -> datasets.Dataset:
    datasets.disable_progress_bars()
    path, cache = Settings.read().data / workload["dataset"] / "train.parquet", Settings.read().cache
    return datasets.Dataset.from_parquet(str(path), cache_dir=str(cache / "arrow"))


def read(workload: Task, rows: datasets.Dataset | None = None) -> list[Document]:
    """The documents of a workload, or `rows`, tokenised and cut as the package does it."""
    rows, window = drawn(workload) if rows is None else rows, WindowSpec(length=workload["length"])
    return read_documents(rows, load_vocabulary(start()), window)


def operations(task: Task) -> int:
    """Floating-point operations that the real tokens of a comparison need, each attending to its own text only."""
    facts, training = encoder_facts(START), task["action"] != "predict"
    inputs = first_inputs(stage_of(task)) if task["action"] == "pre-train" else read(task["workload"])
    forward = sum(Body(facts.layers, facts.width, one.tokens).forward(one.tokens) for one in inputs)
    masked = sum(len(one.targets) for one in inputs) if task["action"] == "pre-train" else 0
    return (3 if training else 1) * (forward + 2 * masked * facts.vocabulary * facts.width)


def begin(task: Task) -> tuple[RunSpec, TextClassifier, list[Document], Engine]:
    """The spec, the classifier with the prepared weights, the documents, and what runs the one on the others."""
    workload = task["workload"]
    training = {"batch_size": workload["batch_size"], "epochs": 1, "dropout": workload["dropout"]}
    given = {"data": {"name": workload["dataset"]}, "encoder": {"name": START}, "training": training}
    given |= {"window": {"length": workload["length"]}, "features": {"pooler": True}, "seed": task["seed"]}
    spec, accelerator = RunSpec.model_validate(given), make_accelerator()
    set_seed(task["seed"])
    classes = len(dataset_facts(workload["dataset"]).classes)
    model, _, _ = build_model(spec, classes, micro_batch_tokens(accelerator))
    path = encoder_facts(START).local / "model.safetensors"
    with safetensors.safe_open(path, framework="pt") as file, torch.no_grad():
        model.output.weight.copy_(file.get_tensor("classifier.weight"))
        model.output.bias.copy_(file.get_tensor("classifier.bias"))
    model.to(accelerator.device)
    engine = Engine.of(model.encoder, load_vocabulary(start()).pad, accelerator)
    return spec, model, read(workload), engine


def own_fine_tune(task: Task) -> dict[str, Any]:
    spec, model, documents, engine = begin(task)
    for chosen in (documents[: task["workload"]["warm_up"]], documents):  # first a single step, whose rate is zero
        set_seed(task["seed"])
        outcome = Outcome(encoder_digest="", made_new=(), device=device_name(engine.accelerator), processes=1)
        train_and_select(spec, model, chosen, documents[:1], engine, outcome)
    return counted(outcome)


def counted(outcome: Any) -> dict[str, Any]:
    found = {name: getattr(outcome, name) for name in ("tokens", "padded_tokens", "losses")}
    return found | {"seconds": outcome.training_seconds, "steps": len(outcome.losses)}


def own_predict(task: Task) -> dict[str, Any]:
    _, model, documents, engine = begin(task)
    engine.predict(model, documents[: task["workload"]["warm_up"]])
    started = clock()
    engine.predict(model, documents)
    seconds, batches = clock() - started, engine.micro_batches(documents)
    counts = {"tokens": sum(one.tokens for one in documents), "steps": task["workload"]["steps"]}
    return counts | {"seconds": seconds, "padded_tokens": sum(batch.computed_tokens for batch in batches)}


def own_pre_train(task: Task) -> dict[str, Any]:
    stage = stage_of(task)
    first_step = stage.variant({"recipe.steps": 1, "recipe.batch_size": task["workload"]["warm_up"]})
    with tempfile.TemporaryDirectory() as folder:
        for number, spec in enumerate((first_step, stage)):
            outcome = pretrain(start().after(spec), Path(folder) / f"{number}", Path(folder) / f"{number}.state")
    return counted(outcome)


def stage_of(task: Task) -> PretrainingSpec:
    workload = task["workload"]
    recipe = {name: workload[name] for name in ("batch_size", "steps", "length", "dropout")} | {"nsp": False}
    recipe |= {"seed": task["seed"]}
    return PretrainingSpec.model_validate({"corpus": [{"name": workload["dataset"]}], "recipe": recipe})


def first_inputs(stage: PretrainingSpec) -> list[MaskedPair]:
    vocabulary, text = load_vocabulary(start()), load_text(stage)
    sentences = Sentences.read(text.train, text.language, vocabulary)
    batches = PairStream(sentences, vocabulary, stage.recipe, nsp=False).batches()
    return [pair for _ in range(stage.recipe.steps) for pair in next(batches)[0]]


def trainer(task: Task, model: Any, collator: Any, **given: Any) -> tuple[transformers.Trainer, dict[str, int]]:
    """A Trainer as its documentation shows it, in the package's precision, and the tokens that its collator counts."""
    counts = {"tokens": 0, "padded_tokens": 0}

    def collate(rows: list[dict]) -> dict:
        batch = collator(rows)
        counts["tokens"] += int(batch["attention_mask"].sum())
        counts["padded_tokens"] += batch["attention_mask"].numel()
        return batch

    given |= {"output_dir": tempfile.gettempdir(), "disable_tqdm": True, "save_strategy": "no", "seed": task["seed"]}
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    arguments = transformers.TrainingArguments(use_cpu=cpu, bf16=task["precision"] == "bf16", **given)
    torch.set_float32_matmul_precision(task["float32"])  # whether of TF32, as on the package's side
    return transformers.Trainer(model=model, args=arguments, data_collator=collate), counts


def train(task: Task, model: Any, rows: Any, collator: Any, recipe: OptimizationSpec, **more: Any) -> dict[str, Any]:
    """Train `model` with its own loss on `rows`, once each, by `recipe`; `more` are arguments of Trainer's."""
    given = {"num_train_epochs": 1, "per_device_train_batch_size": recipe.batch_size, "adam_epsilon": EPS} | more
    given |= {"learning_rate": recipe.learning_rate, "warmup_steps": recipe.warmup}
    given |= {"weight_decay": recipe.weight_decay, "max_grad_norm": recipe.clip_norm}
    own, counts = trainer(task, model, collator, **given)
    own.train_dataset = rows
    seconds = own.train().metrics["train_runtime"]  # by its own clock
    losses = [entry["loss"] for entry in own.state.log_history if "loss" in entry]
    return counts | {"seconds": seconds, "steps": own.state.global_step, "losses": losses}


def classifier(task: Task) -> tuple[Any, Any, datasets.Dataset]:
    """The collator, the library's classifier, and the first wordpieces of each text, not padded."""
    folder, workload = encoder_facts(START).local, task["workload"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    cut = {"truncation": True, "max_length": workload["length"]}
    rows = drawn(workload).map(lambda batch: tokenizer(batch["text"], **cut), batched=True)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    return transformers.DataCollatorWithPadding(tokenizer=tokenizer), model, rows


def trainer_fine_tune(task: Task) -> dict[str, Any]:
    collator, model, rows = classifier(task)
    recipe = TrainingSpec(batch_size=task["workload"]["batch_size"])
    train(task, model, rows.select(range(task["workload"]["warm_up"])), collator, recipe)
    if task["side"] != GROUPED:
        return train(task, model, rows, collator, recipe)
    lengths, draw = [len(ids) for ids in rows["input_ids"]], torch.Generator().manual_seed(task["seed"])
    order = get_length_grouped_indices(lengths, recipe.batch_size, task["workload"]["steps"], draw)  # of all rows
    return train(task, model, rows.select(order), collator, recipe, train_sampling_strategy="sequential")


def trainer_predict(task: Task) -> dict[str, Any]:
    collator, model, rows = classifier(task)
    sizes = {} if task["side"] == USUAL else {"per_device_eval_batch_size": task["workload"]["batch_size"]}
    own, counts = trainer(task, model, collator, **sizes)
    own.predict(rows.select(range(task["workload"]["warm_up"])))
    counts.update(tokens=0, padded_tokens=0)
    started = clock()
    own.predict(rows)
    return counts | {"seconds": clock() - started, "steps": task["workload"]["steps"]}


def trainer_pre_train(task: Task) -> dict[str, Any]:
    """Pre-train further, MLM alone, on the very inputs that the package's side takes, in the same batches."""
    stage, folder = stage_of(task), encoder_facts(START).local
    rows = datasets.Dataset.from_dict({"input_ids": [unmasked(pair) for pair in first_inputs(stage)]})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    collator = transformers.DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=stage.recipe.masked)
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder)
    train(task, model, rows.select(range(min(task["workload"]["warm_up"], len(rows)))), collator, stage.recipe)
    return train(task, model, rows, collator, stage.recipe, train_sampling_strategy="sequential")


def unmasked(pair: MaskedPair) -> list[int]:
    return [dict(zip(pair.positions, pair.targets, strict=True)).get(i, token) for i, token in enumerate(pair.ids)]


def multiply(task: Task) -> dict[str, Any]:
    """Products of square matrices, `amount` numbers wide, in the precision computed in; one before is not timed."""
    edge, device = task["amount"], make_accelerator().device  # which sets what float32 products are made of
    matrix = torch.randn(edge, edge).to(device, torch.bfloat16 if task["precision"] == "bf16" else torch.float32)
    torch.mm(matrix, matrix)
    started = clock()
    for _ in range(3):
        torch.mm(matrix, matrix)
    return {"seconds": clock() - started, "operations": 3 * 2 * edge**3}


def tokenise(task: Task) -> dict[str, Any]:
    """Read `amount` documents; or, of documents that were read, plan and pad an epoch's micro-batches."""
    split, accelerator, pad = drawn(task["workload"]), make_accelerator(), load_vocabulary(start()).pad
    split = split.select([row % len(split) for row in range(task["amount"])])
    started = time.perf_counter()
    documents = read(task["workload"], split)
    if task["action"] == "tokenise":
        return {"seconds": time.perf_counter() - started, "tokens": sum(document.tokens for document in documents)}
    engine = Engine(accelerator, micro_batch_tokens(accelerator), pad, unpadded=True)
    started = time.perf_counter()
    batches = epoch_batches(documents, task["workload"]["batch_size"], range(1), 0, engine)
    return {"steps": sum(1 for _ in batches), "seconds": time.perf_counter() - started}


def page_of(task: Task) -> BaseRate:
    data = [{"name": "rotten_tomatoes", "train": 80, "validation": 40, "test": 40}]
    given = {"encoder": {"name": task["encoder"]}, "data": data, "seeds": list(range(task["amount"]))}
    return BaseRate.model_validate(given | {"window": {"length": 16}, "learning_rates": [2e-5]})


def load_records(task: Task) -> dict[str, Any]:
    runs = page_of(task).runs()
    started = time.perf_counter()
    return {"steps": len(recorded(runs)), "seconds": time.perf_counter() - started}


def perform(task: Task) -> dict[str, Any]:
    own = {"fine-tune": own_fine_tune, "predict": own_predict, "pre-train": own_pre_train}
    other = {"fine-tune": trainer_fine_tune, "predict": trainer_predict, "pre-train": trainer_pre_train}
    alone = {"multiply": multiply, "tokenise": tokenise, "plan batches": tokenise, "load records": load_records}
    found = (alone | (own if task["side"] == OWN else other))[task["action"]](task)
    found["peak_memory_bytes"] = peak_memory()
    return found | ({"operations": operations(task)} if task["action"] in own else {})


if __name__ == "__main__":
    print(json.dumps(perform(json.loads(sys.argv[1]))))
