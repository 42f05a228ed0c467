"""Whether this machine can run what parameter files ask: looked at within a minute, nothing trained or fetched."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.catalog.wheels import WHEELS
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import AnyRun, EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.checks import Check
from tcstudy.study.machine import check_device, check_folders, check_memory, check_versions, weights_of
from tcstudy.study.plan import known_facts
from tcstudy.study.sources import check_dataset, check_encoder, check_hub, documents_wanted

RECORD_BYTES = 30_000
"""Of a record of a few thousand test documents."""
STATE_WEIGHTS = 8
"""For the state of a training: each weight, the best one so far and two moments, twice while the file is replaced."""
TOKEN_BYTES = 5
"""Of a wordpiece in the cache of tokenised sentences."""


def diagnose(runs: Sequence[AnyRun], recorded: int, made_for: str | None = None) -> list[Check]:
    """All that is found about this machine.

    Args:
        runs: what is left to be made.
        recorded: how many more runs of the same files have a record.
        made_for: the graphics card that a profile of the files is made for, or None.
    """
    settings = Settings.read()
    encoders = list(dict.fromkeys(run.encoder for run in runs if isinstance(run, RunSpec)))
    published = list(dict.fromkeys(encoder.published for encoder in encoders))
    facts = {encoder.name: found for encoder in published if (found := _facts(encoder))}
    wanted = documents_wanted(runs).items()
    with ThreadPoolExecutor(max_workers=8) as threads:  # so that questions to the network are asked at once
        hub = threads.submit(check_hub)
        sets = [threads.submit(check_dataset, name, documents, settings) for name, documents in wanted]
        weights = [threads.submit(check_encoder, encoder, settings) for encoder in published]
    return [
        *check_versions(settings.root),
        check_memory(facts, settings.micro_batch_tokens),
        check_device(made_for),
        *check_folders(settings, needed_bytes(runs, facts)),
        *(found.result() for found in (hub, *sets, *weights)),
        Check("ok", "records", f"{len(runs):,} runs are left to be made, {recorded:,} are recorded."),
    ]


def _facts(encoder: EncoderSpec) -> EncoderFacts | None:
    """The size of a published encoder, or None where it is not known, which the check of the encoder tells of."""
    try:
        return known_facts(encoder.name, encoder.revision)
    except StudyError:
        return None


def needed_bytes(runs: Sequence[AnyRun], facts: Mapping[str, EncoderFacts]) -> dict[str, int]:
    """Bytes that runs write, nearly, by the name of the folder in the settings.

    Into the cache go wheels, what is fetched of the hub, and tokenised sentences; copies that are there already are
    not looked for, so this is the most.
    """
    made = {part: None for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
    weights = [4 * weights_of(facts[encoder.name]) for encoder in made if encoder.name in facts]
    sets = [dataset_facts(name) for name in documents_wanted(runs)]
    texts = sum(_text_bytes(found.name) for found in sets if not found.wheel)
    corpora = {
        text
        for encoder in made
        for stage in encoder.stages
        if isinstance(stage, PretrainingSpec)
        for text in stage.corpus
    }
    sentences = sum(TOKEN_BYTES * _wordpieces(text.name) for text in corpora)
    wheels = {found.wheel for found in (*sets, *facts.values()) if found.wheel}
    fetched = sum(4 * weights_of(found) for found in facts.values() if found.hub)
    return {
        "cache": sum(WHEELS[project].size for project in wheels) + 2 * texts + sentences + fetched,
        "weights": sum(weights) + STATE_WEIGHTS * max((4 * weights_of(found) for found in facts.values()), default=0),
        "results": RECORD_BYTES * len(runs),
    }


def _wordpieces(name: str) -> int:
    found = dataset_facts(name)
    return round((found.train + found.test) * found.wordpieces)


def _text_bytes(name: str) -> int:
    return 5 * _wordpieces(name)  # letters and a blank
