"""Attention of real tokens, beside torch's on one row after the other."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

import tcstudy.models.attention as module
from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.models.attention import attention

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


def test_a_causal_layer_is_the_librarys():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, HEADS, 6, WIDTH)
    states, _ = attention(Layer(), query, key, value, None, is_causal=True)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(states, expected.transpose(1, 2))
