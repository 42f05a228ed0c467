"""Whether a record is of the texts that are here: a number of other texts is not shown for these."""

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tcstudy.catalog.datasets import dataset_facts, is_local
from tcstudy.corpora.places import Digests, digests_here
from tcstudy.settings import Settings
from tcstudy.spec import RunSpec

if TYPE_CHECKING:
    from tcstudy.study.encoders import EncoderRecord
    from tcstudy.study.record import Record


def digests_read(names: Iterable[str]) -> dict[str, Digests]:
    """The digests of the texts of data sets that were just read here, by name."""
    found = {name: digests_here(name) for name in sorted(names)}
    return {name: digests for name, digests in found.items() if digests is not None}


def other_texts_of_run(record: "Record") -> str | None:
    """Which data set the texts that a run read, its encoder's stages included, are no longer those here of; or None.

    Texts are compared where this machine can read them without fetching anything; elsewhere a record stands for itself.
    """
    if record.read:
        return other_texts(record.read)
    own = Digests(record.data.train.digest, record.data.test.digest)
    return other_texts({record.spec.data.name: own}) or _other_texts_of_stages(record)


def other_texts_of_encoder(record: "EncoderRecord") -> str | None:
    """The same of the texts that were read while an encoder was made."""
    if record.read or not record.text:
        return other_texts(record.read)
    trained_on = {used.name: used.digest for used in record.text.sets if used.digest}
    return other_texts(
        {name: Digests(digest, here.test) for name, digest in trained_on.items() if (here := _here(name))}
    )


def _other_texts_of_stages(record: "Record") -> str | None:
    """The same of a run's encoder by its own records, for a run that was made before it kept what was read."""
    if not isinstance(record.spec, RunSpec) or not record.spec.encoder.stages:
        return None
    from tcstudy.study.encoders import EncoderRecord  # whose store uses this module, too
    from tcstudy.study.store import Store

    store = Store.here(EncoderRecord, "encoders")
    found = (store.get(stage) for stage in record.spec.encoder.made_on_the_way())
    return next((why for made in found if made and (why := other_texts_of_encoder(made))), None)


def other_texts(read: Mapping[str, tuple[str, str]]) -> str | None:
    """The same of the content digests of training and test split by data set."""
    for name, (train, test) in read.items():
        here = _here(name)
        if here is not None and here != (train, test):
            part = "training" if here.train != train else "test"
            return f"made with other {part} texts of {dataset_facts(name).title} than this machine has"
    return None


def _here(name: str) -> Digests | None:
    settings = Settings.read()
    if dataset_facts(name).wheel_has_a_part and not is_local(name, settings.data):
        return None  # a part says nothing against a record of all of it
    return _digests(name, settings)


@functools.lru_cache(maxsize=64)
def _digests(name: str, settings: Settings) -> Digests | None:
    """Once a process for each set: hundreds of records ask."""
    return digests_here(name)
