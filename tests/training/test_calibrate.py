import numpy as np
import pytest

from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.spec import EncoderSpec
from tcstudy.training import calibrate as module
from tcstudy.training.calibrate import calibrate, made_up_documents

FACTS = EncoderFacts("small", layers=2, width=48, max_length=64, vocabulary=100)


def test_made_up_documents_differ_in_length_around_their_mean():
    documents = made_up_documents(4, 40, FACTS)
    assert [document.longest for document in documents] == [25, 35, 45, 55]
    assert [document.longest for document in made_up_documents(1, 40, FACTS)] == [40]
    assert max(document.longest for document in made_up_documents(5, 60, FACTS)) == 64
    assert max(np.max(document.fractions[0]) for document in documents) < 100


@pytest.mark.parametrize(("limit", "tokens"), [(60.0, 6 * 32), (0.0, 8)])
def test_the_large_batch_is_a_whole_one_if_time_allows(monkeypatch, limit, tokens):
    monkeypatch.setattr(module, "SECONDS_PER_STEP", limit)
    timed = calibrate(EncoderSpec(name="bert-base-uncased"), FACTS, (8, 32), batch_size=6)
    assert (timed.small.tokens, timed.large.tokens) == (8, tokens)
    assert min(timed.small.training, timed.small.prediction, timed.large.training, timed.large.prediction) > 0


def test_an_encoder_of_a_local_folder_is_timed_as_it_is(monkeypatch):
    from tcstudy.catalog.encoders import encoder_facts

    loaded = []
    load = module.load_encoder
    monkeypatch.setattr(module, "load_encoder", lambda *arguments: loaded.append(arguments) or load(*arguments))
    calibrate(EncoderSpec(name="tiny"), encoder_facts("tiny"), (8, 16), batch_size=2)
    assert [spec for spec, _ in loaded] == [EncoderSpec(name="tiny")]
