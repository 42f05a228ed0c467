"""Any BERT-like encoder: tiny random ones of six families, from local folders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
)

from tcstudy.catalog.encoders import encoder_facts
from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.batches import collate
from tcstudy.encoding.documents import Document
from tcstudy.models.attention import unpads
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import EncoderSpec, FeatureSpec, MultitaskSpec, PretrainingSpec, RunSpec
from tcstudy.study.encoders import encoder_records
from tcstudy.study.run import run
from tcstudy.training.finetune import finetune
from tcstudy.value import changed

COMMON = {
    "vocab_size": 80,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CONFIGS = {
    "bert": BertConfig(**COMMON, max_position_embeddings=64),
    "roberta": RobertaConfig(**COMMON, max_position_embeddings=65, pad_token_id=0),
    "distilbert": DistilBertConfig(
        vocab_size=80, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=64
    ),
    "electra": ElectraConfig(**COMMON, embedding_size=16, max_position_embeddings=64),
    "deberta-v2": DebertaV2Config(**COMMON, max_position_embeddings=64, relative_attention=True, pos_att_type=["p2c"]),
    "modernbert": ModernBertConfig(
        **COMMON, max_position_embeddings=64, pad_token_id=0, cls_token_id=2, sep_token_id=3
    ),
}


@pytest.fixture(params=CONFIGS, autouse=True)
def family(request: pytest.FixtureRequest, tmp_path: Path, encoders: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of encoders with one of the family, named after it, that shares the tiny encoder's vocabulary."""
    config: PreTrainedConfig = CONFIGS[request.param]
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "encoders" / request.param)
    AutoTokenizer.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / "encoders" / request.param)
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "encoders"))
    return request.param


def test_facts_come_from_the_folder(family):
    facts = encoder_facts(family)
    assert (facts.layers, facts.width, facts.max_length) == (3, 16, 64)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_layer_is_the_librarys_own_hidden_state(family, layer):
    documents = [Document([[2, 7, 8, 9, 3]], 0, 3), Document([[2, 10, 3]], 1, 1)]
    batch = collate(documents, [0, 1], pad=0)
    whole = load_encoder(EncoderSpec(name=family), dropout=0.0).body.eval()
    encoded = whole(batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
    expected = encoded.last_hidden_state if layer == 2 else encoded.hidden_states[layer + 1]
    encoder = load_encoder(EncoderSpec(name=family), dropout=0.0).body
    model = TextClassifier(encoder, 3, FeatureSpec(layers=(layer,)), "head-only", 0.0, 1024).eval()
    torch.testing.assert_close(model(batch), model.output(expected[:, 0]))
    if unpads(model.encoder):
        torch.testing.assert_close(model(collate(documents, [0, 1], 0, unpadded=True)), model.output(expected[:, 0]))


def test_those_that_can_compute_real_tokens_only_do(family):
    encoder = load_encoder(EncoderSpec(name=family), dropout=0.0).body
    assert unpads(encoder) == (family in ("bert", "roberta", "distilbert", "electra"))


def test_a_saved_encoder_names_nothing_of_this_package(family, tmp_path):
    load_encoder(EncoderSpec(name=family), dropout=0.0).body.save_pretrained(tmp_path / "saved")
    assert "real_tokens" not in (tmp_path / "saved" / "config.json").read_text()


@pytest.mark.parametrize("changes", [{}, {"features.layers": (0, 1)}, {"window.method": "hierarchical mean"}])
def test_it_is_fine_tuned(family, changes):
    given = {
        "data": {"name": "bbc_news", "train": 40, "validation": 20, "test": 30},
        "encoder": {"name": family},
        "window": {"length": 16},
        "training": {"batch_size": 8, "epochs": 1, "layer_decay": 0.9, "embeddings": "bottom"},
    }
    spec = RunSpec.model_validate(changed(given, changes))
    outcome = finetune(spec, load_corpus(spec.data))
    assert np.isfinite(outcome.losses).all()
    assert outcome.probabilities.shape == (30, 5)


def test_every_kind_of_training_runs_one_after_the_other(family):
    data = {"name": "bbc_news", "train": 20, "validation": 10, "test": 20}
    spec = RunSpec.model_validate(
        {"data": data, "encoder": {"name": family}, "window": {"length": 16}, "training": {"epochs": 1}}
    )
    recipe = {"steps": 3, "batch_size": 4, "length": 16, "learning_rate": 1e-3}
    pretraining = PretrainingSpec.model_validate({"corpus": [{"name": "bbc_news"}], "recipe": recipe})
    together = MultitaskSpec.model_validate({"tasks": [data], "window": {"length": 16}, "training": {"epochs": 1}})
    published = EncoderSpec(name=family, layers=2)
    encoder = published.after(pretraining).after(together)
    finished = run(spec.variant({"encoder": encoder, "training.layer_decay": 0.9}))
    assert finished.outcome == "finished"
    first, second = encoder_records([encoder]).values()
    assert first.measured.mlm_loss > 0
    assert (first.measured.nsp_loss is not None) == (family == "bert")
    assert second.provenance.encoder_digest != first.provenance.encoder_digest
    frozen = {"training.frozen": True, "features.reader": "bilstm", "encoder": published.after(pretraining)}
    measured = {"measures.general_text": {"name": "rotten_tomatoes", "documents": 10}}
    forgotten = run(spec.variant(frozen | measured)).forgetting
    assert forgotten.before == forgotten.after
