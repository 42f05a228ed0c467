"""Whether a record is of the texts that are here: a number of other texts is not shown for these."""

import functools
from typing import TYPE_CHECKING

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.corpora.places import Digests, digests_here
from tcstudy.settings import Settings
from tcstudy.spec import AnyRun, RunSpec

if TYPE_CHECKING:
    from tcstudy.study.encoders import EncoderRecord
    from tcstudy.study.record import Record


def other_texts_of_run(record: "Record") -> str | None:
    """Which data set the texts of a run, or of what its encoder was made of, are no longer those here of; or None.

    Texts are compared where this machine can read them without fetching anything; elsewhere a record stands for itself.
    """
    made_of = Digests(record.data.train.digest, record.data.test.digest)
    if (here := _here(record.spec.data.name)) not in (None, made_of):
        return _told(record.spec.data.name, made_of, here)
    return other_texts_of_stages(record.spec)


def other_texts_of_stages(spec: AnyRun) -> str | None:
    """The same of the stages that a run's encoder went through, as far as they are recorded."""
    if not isinstance(spec, RunSpec) or not spec.encoder.stages:
        return None
    from tcstudy.study.encoders import encoder_store  # whose records are checked by this module, too

    store = encoder_store(checked=False)
    found = (store.get(stage) for stage in spec.encoder.made_on_the_way())
    return next((why for record in found if record and (why := other_texts_of_encoder(record))), None)


def other_texts_of_encoder(record: "EncoderRecord") -> str | None:
    """Which data set the texts that an encoder was pre-trained on are no longer those here of; or None."""
    for used in record.text.sets if record.text else ():
        here = _here(used.name)
        if here is not None and used.digest not in (None, here.train):
            return _told(used.name, Digests(used.digest, here.test), here)
    return None


def _told(name: str, made_of: Digests, here: Digests) -> str:
    part = "training" if made_of.train != here.train else "test"
    return f"made of other {part} texts of {dataset_facts(name).title} than are here"


def _here(name: str) -> Digests | None:
    return _digests(name, Settings.read())


@functools.lru_cache(maxsize=64)
def _digests(name: str, settings: Settings) -> Digests | None:
    """Once a process for each set: hundreds of records ask."""
    return digests_here(name)
