"""How long the tested documents are: kept once for each set, beside the records that name them."""

import numpy as np

from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS
from tcstudy.study.record import Kept, LengthsSpec, Packed, Record
from tcstudy.study.store import Store


class Lengths(Kept):
    """The length of each tested document, in the order in which records predict them."""

    spec: LengthsSpec
    lengths: Packed


def lengths_store() -> Store[Lengths]:
    """The store of lengths, in the folder of run records, behind it the published ones."""
    settings = Settings.read()
    return Store(settings.results / "lengths", Lengths, settings.published / "lengths")


def keep_lengths(spec: LengthsSpec, lengths: np.ndarray) -> None:
    """Put lengths, shape (documents,), into the store, if it has none of these documents.

    Raises:
        StudyError: the folder cannot be written.
    """
    store = lengths_store()
    if store.get(spec) is None:
        packed = Packed.pack(lengths, "<u4")
        store.put(Lengths(semantics=SEMANTICS, id=spec.id, spec=spec, lengths=packed))


def lengths_of(record: Record) -> np.ndarray:
    """The length of each tested document of a run, shape (documents,): in wordpieces, in words for a bag of words.

    Raises:
        StudyError: the run diverged, or the file that its record names is missing.
    """
    if record.test is not None and record.test.lengths is not None:
        return record.test.lengths.unpack().astype(int)
    kept = record.lengths and lengths_store().get(record.lengths)
    if not kept:
        where = lengths_store().path(record.lengths) if record.lengths else "none"
        raise StudyError(f"The lengths of the test documents of run {record.id} are not known: {where} is missing.")
    return kept.lengths.unpack().astype(int)
