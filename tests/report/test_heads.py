"""Gates and tables of a base encoder, by hand."""

import pytest

from tcstudy.report import heads
from tcstudy.spec import EncoderSpec, PretrainingSpec
from tcstudy.study.encoders import encoder_store, make_encoder
from tcstudy.training.outcome import HeadQuality, TextHeads

RECIPE = {"steps": 4, "batch_size": 4, "length": 24, "new_heads": "word frequencies"}


def text(name, mlm, nsp=0.9, bigram=5.0):
    before = HeadQuality(mlm_loss=6.8, mlm_accuracy=0.1, words=100, nsp_loss=0.7, nsp_accuracy=0.5, pairs=50)
    after = HeadQuality(mlm_loss=mlm, mlm_accuracy=0.3, words=100, nsp_loss=0.5, nsp_accuracy=nsp, pairs=50)
    return TextHeads(name=name, before=before, after=after, unigram=6.7, bigram=bigram, counted=1000)


@pytest.fixture
def record():
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "rotten_tomatoes"}], "recipe": RECIPE})
    spec = EncoderSpec(name="tiny").after(stage)
    make_encoder(spec)
    return encoder_store().get(spec)


@pytest.mark.parametrize(
    ("texts", "passed"),
    [
        ([text("general", 3.4), text("imdb", 4.9), text("ag_news", 4.9)], [True, True, True, True]),
        ([text("general", 3.6), text("imdb", 5.0), text("ag_news", 5.1)], [False, True, True, False]),
        ([text("general", 3.5, nsp=0.79), text("imdb", 4.0)], [True, False, True, False]),
        ([], [False, False, False, False]),
    ],
)
def test_gates(record, texts, passed):
    record = record.model_copy(update={"texts": tuple(texts)})
    assert [gate.passed for gate in heads.gates(record)] == passed
    table = heads.gates_table(record, "x")
    assert [row[-1] for row in table.rows] == ["passed" if one else "not passed" for one in passed]


def test_a_stage_measures_its_text_before_and_after_it(record):
    [own] = record.texts
    assert own.name == "rotten_tomatoes"
    assert own.after == record.measured
    assert own.before.words == own.after.words
    assert own.counted > 100
    assert own.bigram < own.unigram
    assert not own.examples  # which may not be quoted
    [row] = heads.heads_table(record.texts, "x").rows
    assert row[1:5] == [f"{x:.2f}" for x in (own.before.mlm_loss, own.after.mlm_loss, own.unigram, own.bigram)]


def test_published_encoders_stand_beside_it_where_they_are_recorded(record):
    assert heads.others_table(EncoderSpec(name="tiny"), [record], "x").rows[0][0] == "none is recorded"
    [row] = heads.others_table(EncoderSpec(name="minilm-l6-uncased"), [record], "x").rows
    assert row[0] == "tiny"
    assert row[2] == f"{record.texts[0].before.mlm_loss:.2f}"
