"""Whether the texts of a data set are on this machine, and which they are."""

import functools
from pathlib import Path
from typing import NamedTuple

from tcstudy.catalog.datasets import dataset_facts, is_local
from tcstudy.catalog.wheels import WHEELS
from tcstudy.errors import StudyError
from tcstudy.files import digest_of, write_whole
from tcstudy.settings import Settings


def is_at_hand(name: str) -> bool:
    """Whether a data set can be read without a hub: from the local folder, a wheel, or what was fetched before.

    Raises:
        StudyError: there is no such data set.
    """
    settings, facts = Settings.read(), dataset_facts(name)
    if facts.wheel or facts.kind == "own" or is_local(name, settings.data):
        return True
    return bool(facts.hub) and (settings.cache / "arrow" / facts.hub.id.replace("/", "___")).is_dir()


class Digests(NamedTuple):
    """Content digests (`corpora.loading.content_digest`) of the training and the test split of a data set."""

    train: str
    test: str


def digests_here(name: str) -> Digests | None:
    """The digests of the texts that a run on the data set `name` would read here.

    Texts are read once; their digests are kept in the cache under what their file is known by, so that asking again
    takes no longer than the SHA-256 of two files.

    Returns:
        None where the set cannot be read without fetching it, or at all.

    Raises:
        StudyError: there is no such data set.
    """
    settings, facts = Settings.read(), dataset_facts(name)
    if is_local(name, settings.data):
        files = [settings.data / name / f"{part}.parquet" for part in Digests._fields]
        if not all(path.is_file() for path in files):
            return None
        known = [_digest_of_file(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    elif facts.wheel and (settings.cache / "wheels" / WHEELS[facts.wheel].file).is_file():
        known = [WHEELS[facts.wheel].sha256] * 2
    elif facts.hub and is_at_hand(name):
        known = [facts.hub.commit] * 2
    else:
        return None
    kept = [remembered(f"{name}-{part}-{key}") for part, key in zip(Digests._fields, known, strict=True)]
    if not all(path.is_file() for path in kept):
        from tcstudy.corpora.loading import load_source  # reads all texts, with libraries that are slow to import

        try:
            source = load_source(name)
            kept[0].parent.mkdir(parents=True, exist_ok=True)
            for path, report in zip(kept, (source.train_report, source.test_report), strict=True):
                write_whole(path, report.digest)
        except StudyError:
            return None
        except OSError:  # a cache that cannot be written costs time alone
            return Digests(source.train_report.digest, source.test_report.digest)
    return Digests(*(path.read_text(encoding="utf-8") for path in kept))


def remembered(name: str) -> Path:
    """The file in which the content digest of a split is kept, whether it exists or not."""
    return Settings.read().cache / "digests" / name


@functools.lru_cache(maxsize=64)
def _digest_of_file(path: Path, changed: int, size: int) -> str:
    return digest_of(path)
