"""Heads of pre-training, for the families of encoders, beside the library's own models."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    RobertaConfig,
)

from tcstudy.encoding.pretraining import UNKNOWN, MaskedPair, collate_pairs
from tcstudy.models.attention import unpads
from tcstudy.models.pretraining import load_pretraining_model
from tcstudy.spec import EncoderSpec
from tcstudy.training.pretrain import heads_part

SIZES = {"vocab_size": 80, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONFIGS = {
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=65, pad_token_id=0),
    "distilbert": DistilBertConfig(vocab_size=80, dim=16, n_layers=2, n_heads=2, hidden_dim=32),
    "deberta-v2": DebertaV2Config(**SIZES, max_position_embeddings=64, relative_attention=True, pos_att_type=["p2c"]),
    "modernbert": ModernBertConfig(**SIZES, pad_token_id=0, cls_token_id=2, sep_token_id=3),
}
PAIRS = [
    MaskedPair([2, 10, 4, 12, 3, 13, 4, 3], [0] * 5 + [1] * 3, [2, 6], [11, 14], 0),
    MaskedPair([2, 4, 21, 3, 22, 3], [0] * 4 + [1] * 2, [1], [20], 1),
    MaskedPair([2, 30, 4, 3], [0] * 4, [2], [31], UNKNOWN),
]


def losses(model, pairs):
    """MLM loss and logits of NSP; the same on real tokens only, where the family allows it."""
    scores = model(collate_pairs(pairs, 0))
    if unpads(model.encoder):
        unpadded = model(collate_pairs(pairs, 0, unpadded=True))
        torch.testing.assert_close(unpadded.words, scores.words)
        torch.testing.assert_close(unpadded.follows, scores.follows)
    batch = collate_pairs(pairs, 0)
    mlm = torch.nn.functional.cross_entropy(scores.words, batch.targets)
    return mlm, scores.follows


@pytest.fixture
def with_heads(tmp_path, encoders, monkeypatch) -> Path:
    """A folder of encoders that holds the tiny one with heads."""
    torch.manual_seed(1)
    BertForPreTraining.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / "headed")
    AutoTokenizer.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / "headed")
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path))
    return tmp_path / "headed"


def test_both_losses_are_those_of_the_library(with_heads):
    model = load_pretraining_model(EncoderSpec(name="headed"), dropout=0.0).eval()
    assert model.made_new == ()
    batch = collate_pairs(PAIRS, 0)
    words = torch.full(batch.input_ids.shape, -100).flatten()
    words[batch.predicted] = batch.targets
    reference = BertForPreTraining.from_pretrained(with_heads).eval()(
        batch.input_ids,
        attention_mask=batch.attention_mask,
        token_type_ids=batch.token_type_ids,
        labels=words.view_as(batch.input_ids),
        next_sentence_label=batch.labels,
    )
    assert heads_part(model, batch, [batch]).item() == pytest.approx(reference.loss.item(), rel=1e-5)


def test_one_loss_switched_off_leaves_the_other_alone(with_heads):
    """Gradients of the encoder, beside those of the library's models that have one head only."""
    gradients = {}
    for name, pairs in {
        "nsp": [MaskedPair(pair.ids, pair.segments, [], [], pair.label) for pair in PAIRS],
        "mlm": [MaskedPair(pair.ids, pair.segments, pair.positions, pair.targets, UNKNOWN) for pair in PAIRS],
    }.items():
        model = load_pretraining_model(EncoderSpec(name="headed"), dropout=0.0).eval()
        batch = collate_pairs(pairs, 0)
        heads_part(model, batch, [batch]).backward()
        gradients[name] = {n: p.grad for n, p in model.encoder.named_parameters() if p.grad is not None}
    given = {"attention_mask": batch.attention_mask, "token_type_ids": batch.token_type_ids}
    labels = collate_pairs(PAIRS, 0).labels
    nsp = BertForNextSentencePrediction.from_pretrained(with_heads).eval()
    nsp(batch.input_ids, labels=labels, **given).loss.backward()
    words = torch.full(batch.input_ids.shape, -100).flatten()
    words[batch.predicted] = batch.targets
    mlm = BertForMaskedLM.from_pretrained(with_heads).eval()
    mlm(batch.input_ids, labels=words.view_as(batch.input_ids), **given).loss.backward()
    for name, reference in {"nsp": nsp, "mlm": mlm}.items():
        expected = {n: p.grad for n, p in reference.bert.named_parameters() if p.grad is not None}
        for parameter, gradient in expected.items():
            assert torch.allclose(gradients[name][parameter], gradient, atol=1e-6), (name, parameter)
        others = set(gradients[name]) - set(expected)
        assert all(not gradients[name][other].any() for other in others)


@pytest.mark.parametrize("family", CONFIGS)
def test_families_without_nsp_train_mlm_alone(family, tmp_path, encoders, monkeypatch):
    torch.manual_seed(0)
    reference = AutoModelForMaskedLM.from_config(CONFIGS[family]).eval()
    reference.save_pretrained(tmp_path / family)
    AutoTokenizer.from_pretrained(encoders / "tiny").save_pretrained(tmp_path / family)
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path))
    model = load_pretraining_model(EncoderSpec(name=family), dropout=0.0).eval()
    assert model.made_new == ()
    assert not model.has_nsp
    batch = collate_pairs([pair for pair in PAIRS if pair.label == UNKNOWN] * 2, 0)
    logits = reference(batch.input_ids, attention_mask=batch.attention_mask).logits
    expected = logits.flatten(0, 1)[batch.predicted]
    scores = model(batch)
    assert scores.follows is None
    assert torch.allclose(scores.words, expected, atol=1e-5)


def test_heads_that_a_checkpoint_lacks_are_made_new_and_named(encoders):
    model = load_pretraining_model(EncoderSpec(name="tiny"), dropout=0.1)
    assert model.made_new
    assert all(name.startswith(("cls.", "bert.pooler.")) for name in model.made_new)
    body = AutoModel.from_pretrained(encoders / "tiny", add_pooling_layer=False)
    for name, weight in body.named_parameters():
        assert torch.equal(weight, model.encoder.get_parameter(name))


def test_a_new_head_begins_at_the_frequencies_of_words():
    """With the encoder's part zeroed, its loss is the cross-entropy of the smoothed frequencies."""
    frequencies = np.random.default_rng(0).integers(0, 50, size=30)
    model = load_pretraining_model(EncoderSpec(name="tiny"), dropout=0.0).eval()
    model.begin_at(frequencies)
    model.model.cls.predictions.transform.LayerNorm.weight.data.zero_()
    model.model.cls.predictions.transform.LayerNorm.bias.data.zero_()
    batch = collate_pairs(PAIRS, 0)
    size = model.model.config.vocab_size
    smoothed = np.ones(size)
    smoothed[:30] += frequencies
    expected = -np.log(smoothed / smoothed.sum())[batch.targets].mean()
    loss = torch.nn.functional.cross_entropy(model(batch).words, batch.targets)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_head_that_the_checkpoint_has_is_left_as_it_is(with_heads):
    model = load_pretraining_model(EncoderSpec(name="headed"), dropout=0.0)
    before = model.model.get_output_embeddings().bias.clone()
    model.begin_at(np.arange(30))
    assert torch.equal(model.model.get_output_embeddings().bias, before)


def test_a_frozen_encoder_trains_what_was_made_new_only():
    model = load_pretraining_model(EncoderSpec(name="tiny"), dropout=0.5, frozen=True).train()
    trained = {name for name, parameter in model.model.named_parameters() if parameter.requires_grad}
    assert trained == set(model.made_new)
    batch = collate_pairs(PAIRS, 0)
    assert torch.equal(model(batch).words, model(batch).words)  # nothing is dropped out


def test_an_encoder_can_lose_its_upper_layers():
    model = load_pretraining_model(EncoderSpec(name="tiny", layers=1), dropout=0.0)
    assert model.model.config.num_hidden_layers == 1
    assert len(model.encoder.encoder.layer) == 1
