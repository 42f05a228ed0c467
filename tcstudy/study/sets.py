"""What is kept of a data set beside the records: what was found of it, and how long its tested documents are."""

import numpy as np

from tcstudy.catalog.encoders import encoder_facts
from tcstudy.corpora.report import SplitReport
from tcstudy.errors import StudyError
from tcstudy.spec import SEMANTICS, EncoderSpec, Identified
from tcstudy.study.record import Kept, LengthsSpec, Packed, Record
from tcstudy.study.store import Store
from tcstudy.study.texts import other_texts


class Lengths(Kept):
    """The length of each tested document, in the order in which records predict them."""

    spec: LengthsSpec
    lengths: Packed


def lengths_store() -> Store[Lengths]:
    """The store of lengths."""
    return Store.here(Lengths, "lengths")


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


class SetSpec(Identified):
    """Which data set, and which published encoder's tokenizer counts its wordpieces."""

    name: str
    encoder: str
    revision: str | None = None


class SetFound(Kept):
    """A data set as it was found.

    Attributes:
        origin: local folder, wheel or hub, with version or commit.
        train, test, repeated_in_train, repeated_in_test: as in `DataReport`.
        dropped: training rows whose text stands in the test split.
        lengths: wordpieces of each text of both splits, without special tokens, ascending.
    """

    spec: SetSpec
    origin: str
    train: SplitReport
    test: SplitReport
    repeated_in_train: int
    repeated_in_test: int
    dropped: int
    lengths: Packed


def sets_store() -> Store[SetFound]:
    """The store of what was found."""
    return Store.here(
        SetFound, "sets", lambda found: other_texts({found.spec.name: (found.train.digest, found.test.digest)})
    )


def set_spec(name: str, encoder: EncoderSpec) -> SetSpec | None:
    """What a description of the set `name` is kept under; None with a local encoder, whose name says nothing."""
    facts = encoder_facts(encoder.name, encoder.revision)
    if facts is not None and facts.local:
        return None
    return SetSpec(name=name, encoder=encoder.name, revision=encoder.revision)


def set_found(name: str, encoder: EncoderSpec) -> SetFound:
    """What is known of a data set: from the store, else counted now, by the encoder's tokenizer, and kept.

    Raises:
        StudyError: it is not kept, and its texts or the tokenizer cannot be had; the folder cannot be written.
    """
    spec, store = set_spec(name, encoder), sets_store()
    if spec and (kept := store.get(spec)):
        return kept
    from tcstudy.corpora.loading import load_source  # the libraries of texts, which a kept description does without
    from tcstudy.encoding.tokens import load_vocabulary

    source = load_source(name)
    spec, keep = spec or SetSpec(name=name, encoder=encoder.name), spec is not None
    found = SetFound(
        semantics=SEMANTICS,
        id=spec.id,
        spec=spec,
        origin=source.origin,
        train=source.train_report,
        test=source.test_report,
        repeated_in_train=source.repeated_in_train,
        repeated_in_test=source.repeated_in_test,
        dropped=len(source.train) - len(source.usable),
        lengths=Packed.pack(np.sort(load_vocabulary(encoder).lengths(source.texts())), "<u4"),
    )
    if keep:
        store.put(found)
    return found
