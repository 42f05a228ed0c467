import itertools

import datasets
import numpy as np
import pytest
import torch

from tcstudy.corpora.text import Texts
from tcstudy.encoding.pretraining import FOLLOWS, RANDOM, UNKNOWN, PairStream, Position, Sentences, collate_pairs
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec, PretrainingRecipe

FRAME = {2, 3, 5}  # [CLS], [SEP] and the full stop of the tiny vocabulary
TEXTS = ["the film was dull . great fun ! a witty and moving film .", "one sentence only", "", "a . b . c . d . e ."]


def all_of(texts):
    return Texts.at(datasets.Dataset.from_dict({"text": list(texts)}), np.arange(len(texts)))


@pytest.fixture
def vocabulary():
    return load_vocabulary(EncoderSpec(name="tiny"))


@pytest.fixture
def stream(vocabulary):
    def make(texts=tuple(TEXTS * 5), nsp=True, **recipe):
        documents = Sentences.read(all_of(texts), "en", vocabulary)
        given = {"batch_size": 4, "length": 16, "short_sequences": 0.0, **recipe}
        return PairStream(documents, vocabulary, PretrainingRecipe.model_validate(given), nsp)

    return make


def test_documents_are_read_sentence_by_sentence(vocabulary):
    documents = Sentences.read(all_of(TEXTS), "en", vocabulary)
    assert len(documents) == 3  # the empty one is left out
    assert [len(sentence) for sentence in documents[0]] == [5, 3, 6]
    assert [token for token, _ in documents[1][0]] == vocabulary.encode(["one sentence only"])[0]


def test_special_tokens_frame_the_segments(stream, vocabulary):
    [batch, *_] = [pairs for pairs, _ in itertools.islice(stream().batches(), 3)]
    for pair in batch:
        assert pair.ids[0] == vocabulary.cls
        assert pair.ids[-1] == vocabulary.sep
        second = pair.segments.index(1) if 1 in pair.segments else len(pair.ids)
        assert pair.ids[second - 1] == vocabulary.sep
        assert (second < len(pair.ids)) == (pair.label != UNKNOWN)
        assert not {0, second - 1, len(pair.ids) - 1} & set(pair.positions)
        assert len(pair.ids) <= 16


def test_unmasking_gives_the_text_back(stream):
    plain = stream(mlm=False).once(100)
    masked = stream().once(100)
    assert all(not pair.positions for pair in plain)
    for before, after in zip(plain[:1], masked[:1], strict=True):  # the first pair is drawn before any mask
        restored = list(after.ids)
        for place, target in zip(after.positions, after.targets, strict=True):
            restored[place] = target
        assert restored == before.ids


def test_the_stream_can_be_entered_anywhere(stream):
    whole = list(itertools.islice(stream().batches(), 30))
    for after in (1, 7, 20):
        again = itertools.islice(stream().batches(whole[after - 1][1]), 30 - after)
        assert [pairs for pairs, _ in again] == [pairs for pairs, _ in whole[after:]]


def passes(stream, number):
    """The pairs of the first passes, each as a sorted list."""
    found = {}
    for pair, place in stream._from(Position()):
        if place.epoch == number:
            return [sorted(found[epoch], key=repr) for epoch in range(number)]
        found.setdefault(place.epoch, []).append(pair)


def test_dynamic_masks_are_new_in_each_pass_and_static_ones_come_back(stream):
    dynamic = passes(stream(), 4)
    assert all(one != other for one, other in itertools.combinations(dynamic, 2))
    static = passes(stream(protocol={"masking": "static", "duplication": 2}), 4)
    assert static[0] == static[2] != static[1] == static[3]


def test_the_order_changes_from_pass_to_pass_even_with_static_masks(stream):
    pairs = stream(protocol={"masking": "static", "duplication": 1})
    first, second = [], []
    for pair, place in pairs._from(Position()):
        if place.epoch == 2:
            break
        (first if place.epoch == 0 else second).append(pair)
    assert first != second
    assert sorted(first, key=repr) == sorted(second, key=repr)


def test_labels_are_true_to_the_documents(stream):
    texts = [f"{word} {word} . {word} {word} . {word} {word} . {word} {word} ." for word in ("film", "goal", "party")]
    pairs = [pair for some in passes(stream(texts=texts, mlm=False), 200) for pair in some]
    labels = [pair.label for pair in pairs if pair.label != UNKNOWN]
    assert np.mean(labels) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(labels)))
    for pair in pairs:
        words = {i: {t for t, s in zip(pair.ids, pair.segments, strict=True) if s == i} for i in (0, 1)}
        shared = (words[0] & words[1]) - FRAME
        if pair.label == FOLLOWS:
            assert shared
        elif pair.label == RANDOM:
            assert not shared


def test_a_batch_is_padded_and_its_predicted_tokens_are_found_again(stream):
    pairs = stream().once(6)
    batch = collate_pairs(pairs, pad=0)
    assert batch.attention_mask.sum() == sum(len(pair.ids) for pair in pairs)
    flat = batch.input_ids.flatten()
    at = 0
    for row, pair in enumerate(pairs):
        assert batch.input_ids[row, : len(pair.ids)].tolist() == pair.ids
        for place in pair.positions:
            assert batch.predicted[at] == row * batch.input_ids.shape[1] + place
            assert flat[batch.predicted[at]] == pair.ids[place]
            at += 1
    assert batch.targets.tolist() == [target for pair in pairs for target in pair.targets]
    assert torch.equal(batch.labels, torch.tensor([pair.label for pair in pairs]))


def test_halves_of_a_batch_predict_the_same_tokens(stream):
    pairs = stream().once(7)
    whole = collate_pairs(pairs, pad=0)
    halves = whole.halves()
    assert [len(half.labels) for half in halves] == [len(pairs) // 2, len(pairs) - len(pairs) // 2]
    read = [half.input_ids.flatten()[half.predicted] for half in halves]
    assert torch.equal(torch.cat(read), whole.input_ids.flatten()[whole.predicted])
    for name in ("input_ids", "attention_mask", "token_type_ids", "targets", "labels"):
        assert torch.equal(torch.cat([getattr(half, name) for half in halves]), getattr(whole, name))
