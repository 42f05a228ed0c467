"""Attention of real tokens, beside torch's on one row after the other."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

import tcstudy.models.attention as module
from tcstudy.encoding.batches import collate
from tcstudy.encoding.documents import Document
from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.models.attention import attention
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import EncoderSpec, FeatureSpec
from tcstudy.training.finetune import cross_entropy_part

HEADS, WIDTH = 3, 8


class Layer:
    is_causal = False


def mask_of(lengths: list[int]) -> torch.Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def drawn_lengths(seed: int) -> list[int]:
    generator = np.random.default_rng(seed)
    return generator.integers(1, generator.choice([5, 40, 300]), size=generator.integers(1, 30)).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_packing_and_padding_are_each_others_inverse(seed):
    torch.manual_seed(seed)
    mask = mask_of(drawn_lengths(seed))
    states = torch.randn(*mask.shape, 4) * mask[..., None]
    real = RealTokens.of(mask.sum(dim=1).tolist(), mask.shape[1])
    packed = real.pack(states)
    assert packed.shape == (1, mask.sum(), 4)
    assert torch.equal(real.pad(packed), states)
    assert torch.equal(packed[0, real.firsts], states[:, 0])


@pytest.mark.parametrize("seed", range(20))
def test_every_row_attends_to_itself_alone(seed):
    torch.manual_seed(seed)
    lengths = drawn_lengths(seed)
    real = RealTokens.of(lengths, max(lengths))
    assert sum(rows.number for rows in real.groups) == len(lengths)
    packed = [torch.randn(1, HEADS, sum(lengths), WIDTH, dtype=torch.double, requires_grad=True) for _ in range(3)]
    states, _ = attention(Layer(), *packed, None, real_tokens=real)
    ends = np.cumsum(sorted(lengths, reverse=True))
    expected = torch.cat(
        [
            scaled_dot_product_attention(*(one[:, :, end - length : end] for one in packed))
            for length, end in zip(sorted(lengths, reverse=True), ends, strict=True)
        ],
        dim=2,
    ).transpose(1, 2)
    torch.testing.assert_close(states, expected)
    weights = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), packed) for out in (states, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("mask", ["none", "boolean", "added"])
def test_with_dropout_it_is_the_formula_under_the_same_mask(mask, monkeypatch):
    torch.manual_seed(0)
    kept = torch.rand(2, HEADS, 6, 6) > 0.3
    monkeypatch.setattr(module, "kept", lambda shape, dropout: kept)
    query, key, value = torch.randn(3, 2, HEADS, 6, WIDTH)
    allowed = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    if mask != "none":
        allowed[1, :, :, 4:] = False
    given = {"none": None, "boolean": allowed, "added": torch.zeros(2, 1, 6, 6).masked_fill(~allowed, -1e9)}[mask]
    scores = torch.einsum("nhqd,nhkd->nhqk", query, key) / math.sqrt(WIDTH)
    weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    expected = torch.einsum("nhqk,nhkd->nqhd", weights * kept / 0.7, value)
    states, _ = attention(Layer(), query, key, value, given, dropout=0.3)
    torch.testing.assert_close(states, expected)


def test_dropout_changes_nothing_on_average():
    torch.manual_seed(0)
    real = RealTokens.of([5, 9, 9, 2], 9)
    packed = torch.randn(3, 1, HEADS, 25, WIDTH)
    expected, _ = attention(Layer(), *packed, None, real_tokens=real)
    drawn = torch.stack([attention(Layer(), *packed, None, dropout=0.2, real_tokens=real)[0] for _ in range(4000)])
    distance = (drawn.mean(dim=0) - expected).abs() / (drawn.std(dim=0) / math.sqrt(len(drawn)))
    assert distance.max() < 5  # standard errors


@pytest.fixture
def flash_on_the_cpu(monkeypatch):
    """torch's attention of rows of different length, written out for the CPU, under its own name and derivative."""
    monkeypatch.setattr(module, "_fits_flash", lambda query: True)
    called = []

    def rows_of(states, ends):
        return [states[start:end].transpose(0, 1) for start, end in itertools.pairwise(ends.tolist())]

    def attend(query, key, value, ends, scale):
        rows = zip(*(rows_of(states, ends) for states in (query, key, value)), strict=True)
        return torch.cat([scaled_dot_product_attention(*row, scale=scale).transpose(0, 1) for row in rows])

    def forward(query, key, value, ends, key_ends, most, key_most, dropout, causal, debug, *, scale=None, **others):
        assert torch.equal(ends, key_ends)
        assert most == key_most == ends.diff().max()
        assert (dropout, causal, debug, *others.values()) == (0.0, False, False, *[None] * len(others))
        called.append(len(query))
        nothing = torch.empty(0)
        return attend(query, key, value, ends, scale), nothing, nothing, nothing, nothing

    def backward(grad, query, key, value, out, lse, ends, *others, scale=None, **more):
        found = []
        for q, k, v, g in zip(*(rows_of(states, ends) for states in (query, key, value, grad)), strict=True):
            weights = (scale * q @ k.mT).softmax(dim=-1)
            of_weights = g @ v.mT
            of_scores = scale * weights * (of_weights - (of_weights * weights).sum(dim=-1, keepdim=True))
            found.append((of_scores @ k, of_scores.mT @ q, weights.mT @ g))
        return tuple(torch.cat([one.transpose(0, 1) for one in of_rows]) for of_rows in zip(*found, strict=True))

    library = torch.library.Library("aten", "IMPL")
    library.impl("_flash_attention_forward", forward, "CPU")
    library.impl("_flash_attention_backward", backward, "CPU")
    yield called
    library._destroy()


@pytest.mark.parametrize("seed", range(5))
def test_flash_attention_is_given_what_it_takes(seed, flash_on_the_cpu):
    torch.manual_seed(seed)
    lengths = drawn_lengths(seed)
    real = RealTokens.of(lengths, max(lengths))
    packed = [torch.randn(1, HEADS, sum(lengths), WIDTH, dtype=torch.double, requires_grad=True) for _ in range(3)]
    states, _ = attention(Layer(), *packed, None, scaling=0.3, real_tokens=real)
    assert flash_on_the_cpu == [sum(lengths)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_fits_flash", lambda query: False)
        expected, _ = attention(Layer(), *packed, None, scaling=0.3, real_tokens=real)
    torch.testing.assert_close(states, expected)
    weights = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), packed) for out in (states, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_classifier_and_its_gradient_are_the_same_with_flash_attention_and_with_padding(flash_on_the_cpu):
    """The whole encoder in float64, beside the rectangle that transformers computes."""
    documents = [Document([[2, *range(5, 5 + length), 3]], label=0, length=length) for length in (3, 17, 1, 9, 30)]
    gradients = []
    for unpadded in (True, False):
        torch.manual_seed(1)
        encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.0).body
        model = TextClassifier(encoder, 3, FeatureSpec(), "head-only", 0.0, 10**9).double()
        batch = collate(documents, range(5), pad=0, unpadded=unpadded)
        cross_entropy_part(model, batch, [batch]).backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
    assert flash_on_the_cpu == [batch.tokens] * 2  # of two layers; the padded one is none of its
    assert (gradients[0] - gradients[1]).norm() / gradients[1].norm() < 1e-9


def test_elsewhere_than_on_a_cpu_all_rows_go_through_attention_at_once():
    lengths = [5, 300, 9, 2]
    real = RealTokens.of(lengths, 300).to(torch.device("meta"))
    [rows] = real.groups
    assert (rows.number, rows.longest, rows.tokens) == (4, 300, slice(0, 316))
    many = RealTokens.of([512] + [3] * 300, 512).to(torch.device("meta"))
    assert [rows.number for rows in many.groups] == [128, 173]  # no more than 65,536 tokens, padding included


@pytest.mark.parametrize(("capability", "fits"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_flash_attention_needs_an_ampere_gpu_and_an_operator_that_is_known(capability, fits, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: True)
    has_flash = module._has_flash.__wrapped__
    assert has_flash(torch.device("cuda", 0)) == fits
    with monkeypatch.context() as patched:
        patched.setattr(module, "_FLASH", "_flash_attention_forward(Tensor query, Tensor other")
        assert not has_flash(torch.device("cuda", 0))
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: False)
    assert not has_flash(torch.device("cuda", 0))


def test_a_causal_layer_is_the_librarys():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, HEADS, 6, WIDTH)
    states, _ = attention(Layer(), query, key, value, None, is_causal=True)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(states, expected.transpose(1, 2))
