"""Everything that can be measured, by name."""

import sys
from collections.abc import Callable, Sequence

import yaml

from tcstudy.bench import workloads
from tcstudy.bench.amounts import made_up_records
from tcstudy.bench.plan import Plan, teller
from tcstudy.bench.results import Comparison, Growth, Startup
from tcstudy.bench.rival import GROUPED, TRAINER, USUAL_BATCHES
from tcstudy.bench.tasks import Task
from tcstudy.bench.turns import time_commands
from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts

PAGE = {
    "profile": "custom",
    "data": [{"name": "rotten_tomatoes", "train": 16, "validation": 8, "test": 16}],
    "window": {"length": 16},
    "training": {"batch_size": 8, "epochs": 1},
}
"""The page on long texts that is timed; its records are made in seconds the first time."""
DRAWN = 5_000
"""Different documents of which larger amounts are made up, by repeating them."""


def _fine_tuning(texts: workloads.Texts) -> Callable[[Plan], list[Comparison]]:
    title = f"fine-tuning, {texts.title}"
    return lambda plan: [
        plan.compared(f"finetune-{texts.name}", title, workloads.training(texts), "fine-tune", (TRAINER, GROUPED))
    ]


def _prediction(texts: workloads.Texts) -> Callable[[Plan], list[Comparison]]:
    title = f"prediction, {texts.title}"
    return lambda plan: [
        plan.compared(f"predict-{texts.name}", title, workloads.prediction(texts), "predict", (TRAINER, USUAL_BATCHES))
    ]


def _pretraining(plan: Plan) -> list[Comparison]:
    workload = workloads.pretraining(workloads.TEXTS["long"])
    return [plan.compared("pretrain", "further pre-training, MLM", workload, "pre-train", (TRAINER,))]


def _startup(plan: Plan) -> list[Startup]:
    folder = plan.folder / "startup"
    folder.mkdir()
    page = folder / "long_texts.yaml"
    page.write_text(yaml.safe_dump({"encoder": {"name": plan.encoder}} | PAGE))
    cli = [sys.executable, "-m", "tcstudy.cli"]
    commands = {
        ("python", "Python itself"): [sys.executable, "-c", ""],
        ("import", "import tcstudy"): [sys.executable, "-c", "import tcstudy"],
        ("help", "tcstudy --help"): [*cli, "--help"],
        ("page", "a page whose records exist"): [*cli, "run", str(page), "--again"],
    }
    environment = {"TCSTUDY_RESULTS": str(folder / "records")}
    return time_commands(commands, plan.repetitions, environment, teller("startup"))


def _documents(plan: Plan) -> list[Growth]:
    texts = workloads.TEXTS["articles"]
    drawn = min(DRAWN, dataset_facts(texts.found()).train // 2)
    workload = plan.scaled(workloads.training(texts).variant({"documents": drawn}))
    environment = plan.prepared("scale-documents", workload, workloads.save_classifier)
    reading, planning = (
        {amount: Task(action=action, workload=workload, amount=amount) for amount in plan.amounts["documents"]}
        for action in ("tokenise", "plan batches")
    )
    return [
        plan.grown("scale-tokenising", "tokenising", "documents", environment, reading),
        plan.grown("scale-batches", "planning an epoch's batches", "documents", environment, planning),
    ]


def _windows(plan: Plan) -> list[Growth]:
    whole = workloads.training(workloads.TEXTS["long"])
    workload = plan.scaled(whole.variant({"steps": 1, "documents": whole.batch_size}))
    environment = plan.prepared("scale-window", workload, workloads.save_classifier)
    longest = encoder_facts(plan.encoder).max_length
    tasks = {
        length: Task(action="fine-tune", workload=workload.variant({"length": length}))
        for length in plan.amounts["windows"]
        if length <= longest
    }
    title = f"fine-tuning on {workload.documents} long reviews"
    return [plan.grown("scale-window", title, "wordpieces in the window", environment, tasks)]


def _runs(plan: Plan) -> list[Growth]:
    amounts, folder = plan.amounts["runs"], plan.folder / "scale-runs"
    made_up_records(plan.encoder, max(amounts), folder)
    environment = {"TCSTUDY_RESULTS": str(folder)}
    planning, loading = (
        {amount: Task(action=action, amount=amount, encoder=plan.encoder) for amount in amounts}
        for action in ("plan runs", "load records")
    )
    return [
        plan.grown("scale-plan", "planning runs", "runs in a study", environment, planning),
        plan.grown("scale-records", "loading records", "runs in a study", environment, loading),
    ]


MEASUREMENTS: dict[str, Callable[[Plan], Sequence[Comparison | Startup | Growth]]] = {
    **{f"finetune-{name}": _fine_tuning(texts) for name, texts in workloads.TEXTS.items()},
    "pretrain": _pretraining,
    **{f"predict-{name}": _prediction(texts) for name, texts in workloads.TEXTS.items()},
    "startup": _startup,
    "scale-documents": _documents,
    "scale-window": _windows,
    "scale-runs": _runs,
}
"""Everything that can be measured, by the name that `--only` takes."""
