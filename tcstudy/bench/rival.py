"""The other side: Hugging Face's `Trainer`, set up as its documentation shows it, with the study's recipe."""

import tempfile
import time
from collections.abc import Callable
from typing import Any, Literal

import datasets
import torch
from accelerate.utils import parse_flag_from_env
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import get_length_grouped_indices

from tcstudy.bench.own import first_inputs, pretraining_stage
from tcstudy.bench.results import Timing, Workload
from tcstudy.bench.tasks import Task, drawn_documents, forward_operations, peak_memory, wait_for_device
from tcstudy.bench.workloads import START
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.spec import OptimizationSpec, TrainingSpec
from tcstudy.training.optim import EPS

TRAINER = "Trainer"
GROUPED = "Trainer, grouped by length"
USUAL_BATCHES = "Trainer, its usual batches"

LOGGING_STEPS = 500  # Trainer's own


class Clock(TrainerCallback):
    """Reads the time when training begins and when it ends."""

    def on_train_begin(self, *arguments: Any, **state: Any) -> None:
        """Start."""
        wait_for_device()
        self.started = time.perf_counter()

    def on_train_end(self, *arguments: Any, **state: Any) -> None:
        """Stop."""
        wait_for_device()
        self.seconds = time.perf_counter() - self.started


class Counting:
    """A collator that counts the tokens that go through it."""

    def __init__(self, collator: Callable[[list[dict]], dict]) -> None:
        self.collator = collator
        self.batches = self.tokens = self.padded_tokens = 0

    def __call__(self, rows: list[dict]) -> dict:
        """A batch of `rows`."""
        batch = self.collator(rows)
        self.batches += 1
        self.tokens += int(batch["attention_mask"].sum())
        self.padded_tokens += batch["attention_mask"].numel()
        return batch


def fine_tune(task: Task) -> Timing:
    """Fine-tune on the documents of the task, in a random order or in batches of similar length."""
    workload = task.workload
    tokenizer, model = _classifier()
    rows = tokenised(workload, tokenizer)
    if task.side == GROUPED:
        rows, sampling = grouped(rows, workload, task.seed), "sequential"
    else:
        sampling = "random"
    collator = DataCollatorWithPadding(tokenizer=tokenizer)
    recipe = TrainingSpec(batch_size=workload.batch_size)
    warm_up = rows.select(range(workload.warm_up))
    train(model, warm_up, collator, recipe, task.seed)
    timing = train(model, rows, collator, recipe, task.seed, sampling)
    lengths = [len(ids) for ids in rows["input_ids"]]
    return timing.model_copy(
        update={"operations": 3 * forward_operations(lengths, encoder_facts(START)), "peak_memory_bytes": peak_memory()}
    )


def pre_train(task: Task) -> Timing:
    """Pre-train further, MLM alone, on the very inputs that the study's side takes, in the same batches."""
    workload = task.workload
    stage = pretraining_stage(workload, task.seed)
    inputs = first_inputs(stage)
    tokenizer = AutoTokenizer.from_pretrained(encoder_facts(START).local)
    model = AutoModelForMaskedLM.from_pretrained(encoder_facts(START).local)
    rows = datasets.Dataset.from_dict({"input_ids": [pair_ids(pair) for pair in inputs]})
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=stage.recipe.masked)
    train(model, rows.select(range(min(workload.warm_up, len(rows)))), collator, stage.recipe, task.seed)
    timing = train(model, rows, collator, stage.recipe, task.seed, "sequential")
    facts = encoder_facts(START)
    projection = sum(len(pair.targets) for pair in inputs) * facts.vocabulary * facts.width
    operations = 3 * forward_operations([pair.tokens for pair in inputs], facts) + 6 * projection
    return timing.model_copy(update={"operations": operations, "peak_memory_bytes": peak_memory()})


def predict(task: Task) -> Timing:
    """Predict the documents of the task, in batches of training's size or of the usual size."""
    workload = task.workload
    tokenizer, model = _classifier()
    rows = tokenised(workload, tokenizer)
    sizes = {} if task.side == USUAL_BATCHES else {"per_device_eval_batch_size": workload.batch_size}
    with tempfile.TemporaryDirectory() as folder:
        collator = Counting(DataCollatorWithPadding(tokenizer=tokenizer))
        arguments = TrainingArguments(output_dir=folder, use_cpu=on_cpu(), disable_tqdm=True, **sizes)
        trainer = Trainer(model=model, args=arguments, processing_class=tokenizer, data_collator=collator)
        trainer.predict(rows.select(range(workload.warm_up)))
        before = collator.tokens, collator.padded_tokens
        started = time.perf_counter()
        trainer.predict(rows)
        seconds = time.perf_counter() - started
    lengths = [len(ids) for ids in rows["input_ids"]]
    return Timing(
        seconds=seconds,
        steps=workload.steps,
        tokens=collator.tokens - before[0],
        padded_tokens=collator.padded_tokens - before[1],
        operations=forward_operations(lengths, encoder_facts(START)),
        peak_memory_bytes=peak_memory(),
    )


def train(
    model: PreTrainedModel,
    rows: datasets.Dataset,
    collator: DataCollatorWithPadding | DataCollatorForLanguageModeling,
    recipe: OptimizationSpec,
    seed: int,
    sampling: Literal["random", "sequential"] = "random",
    logging_steps: int = LOGGING_STEPS,
) -> Timing:
    """Train `model` on `rows`, once each.

    Args:
        model: with its own loss.
        rows: tokenised, with labels if the collator does not make them.
        collator: makes batches; has the tokenizer.
        recipe: optimiser and batch size; its dropout is the model's own.
        seed: of the order, dropout and masks.
        sampling: the order of the rows.
        logging_steps: after how many steps Trainer notes the loss.
    """
    clock, counting = Clock(), Counting(collator)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup,
            weight_decay=recipe.weight_decay,
            adam_epsilon=EPS,
            max_grad_norm=recipe.clip_norm,
            train_sampling_strategy=sampling,
            seed=seed,
            eval_strategy="no",
            save_strategy="no",
            logging_steps=logging_steps,
            use_cpu=on_cpu(),
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=collator.tokenizer,
            data_collator=counting,
            callbacks=[clock],
        )
        trainer.train()
    return Timing(
        seconds=clock.seconds,
        steps=trainer.state.global_step,
        tokens=counting.tokens,
        padded_tokens=counting.padded_tokens,
        losses=[entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
    )


def tokenised(workload: Workload, tokenizer: PreTrainedTokenizerBase) -> datasets.Dataset:
    """The documents of a comparison as `Trainer` takes them: the first wordpieces of each text, not padded."""
    return drawn_documents(workload).map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=workload.length), batched=True
    )


def grouped(rows: datasets.Dataset, workload: Workload, seed: int) -> datasets.Dataset:
    """`rows` in the order of `train_sampling_strategy="group_by_length"`, as it is within a large data set.

    There the sampler sorts stretches of fifty batches. In a small one it sorts hardly anything, so its own function is
    told to sort all rows together.
    """
    lengths = [len(ids) for ids in rows["input_ids"]]
    generator = torch.Generator().manual_seed(seed)
    return rows.select(get_length_grouped_indices(lengths, workload.batch_size, workload.steps, generator))


def pair_ids(pair: Any) -> list[int]:
    """The token ids of an input before it was masked."""
    ids = list(pair.ids)
    for position, target in zip(pair.positions, pair.targets, strict=True):
        ids[position] = target
    return ids


def on_cpu() -> bool:
    """Whether the study's side would not use a GPU, so that this one does not either."""
    return parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()


def _classifier() -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    folder = encoder_facts(START).local
    return AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder)
