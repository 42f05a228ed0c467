import math

import pytest
import torch
from transformers import AutoTokenizer, BertForPreTraining

from tcstudy.corpora.loading import load_corpus
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingSpec, TextSpec
from tcstudy.study.run import run
from tcstudy.training.finetune import finetune

GENERAL = {"measures.general_text": TextSpec(name="rotten_tomatoes")}


@pytest.fixture
def headed(spec, tmp_path, encoders, monkeypatch):
    """A run from an encoder that has heads."""
    torch.manual_seed(1)
    BertForPreTraining.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / "encoders" / "headed")
    AutoTokenizer.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / "encoders" / "headed")
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "encoders"))
    return spec.variant({"encoder.name": "headed"} | GENERAL)


def test_an_encoder_that_does_not_change_forgets_nothing(headed):
    measured = finetune(headed.variant({"training.frozen": True}), load_corpus(headed.data)).forgetting
    assert measured.before == measured.after > 0
    assert measured.words > 50


def test_a_higher_rate_changes_more(headed):
    def change(rate):
        record = run(headed.variant({"training.learning_rate": rate}))
        return abs(record.forgetting.after - record.forgetting.before)

    low, high = change(1e-5), change(3e-2)
    assert 0 < low < 0.01 < high


def test_measuring_changes_no_prediction(headed):
    plain = headed.variant({"measures.general_text": None})
    assert run(plain).test == run(headed).test
    assert run(plain).forgetting is None
    assert math.isfinite(run(headed).forgetting.after)


def test_an_encoder_without_heads_is_told_and_can_be_given_them(spec):
    with pytest.raises(StudyError, match=r"measures\.general_text: the encoder tiny has no MLM head"):
        finetune(spec.variant(GENERAL), load_corpus(spec.data))
    heads = {"steps": 30, "batch_size": 8, "length": 16, "learning_rate": 1e-2, "frozen": True}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "rotten_tomatoes"}], "recipe": heads})
    record = run(spec.variant(GENERAL | {"encoder": spec.encoder.after(stage)}))
    assert record.forgetting.after != record.forgetting.before
    assert record.provenance.encoder_digest == run(spec).provenance.encoder_digest  # the stage left it as it was


def test_all_layers_are_needed(headed):
    with pytest.raises(StudyError, match="needs all layers of the encoder"):
        finetune(headed.variant({"features.layers": (0,)}), load_corpus(headed.data))
