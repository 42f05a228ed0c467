"""Lengths of tested documents are kept once for each set."""

import json

import numpy as np
import pytest

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import BagOfWordsSpec
from tcstudy.study.record import Predictions
from tcstudy.study.results import verify
from tcstudy.study.run import run
from tcstudy.study.sets import lengths_of, lengths_store


def test_runs_on_the_same_documents_share_them(spec):
    first, second = run(spec), run(spec.variant({"seed": 1}))
    assert [path.stem for path in lengths_store().paths()] == [first.lengths.id]
    assert "lengths" not in json.loads((Settings.read().results / f"{spec.id}.json").read_text())["test"]
    texts = load_corpus(spec.data).test["text"]
    assert lengths_of(first).tolist() == load_vocabulary(spec.encoder).lengths(texts).tolist()
    assert lengths_of(second).tolist() == lengths_of(first).tolist()
    words = run(BagOfWordsSpec(data=spec.data))
    assert words.lengths.unit == "words"
    assert lengths_of(words).shape == lengths_of(first).shape
    assert len(lengths_store().paths()) == 2
    assert any(check.subject == "lengths" and check.state == "ok" for check in verify(Settings.read()))


def test_a_record_that_holds_its_own_is_read_as_it_is(spec):
    record = run(spec)
    test = Predictions.pack(np.array([0, 1]), np.eye(2), np.array([7, 9]))
    assert lengths_of(record.model_copy(update={"test": test, "lengths": None})).tolist() == [7, 9]


def test_lengths_that_are_missing_are_told(spec):
    record = run(spec)
    lengths_store().path(record.lengths).unlink()
    with pytest.raises(StudyError, match=rf"{record.lengths.id}\.json is missing"):
        lengths_of(record)
