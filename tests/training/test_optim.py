import math

import numpy as np
import pytest
import torch

from tcstudy.corpora.loading import load_corpus
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import PROTOCOLS, EncoderSpec, FeatureSpec, Protocol, TrainingSpec
from tcstudy.training.finetune import finetune
from tcstudy.training.optim import BertAdam, make_optimizer, overall_clip_norm


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))


def test_every_parameter_is_in_exactly_one_group():
    optimizer, _ = make_optimizer(model(), TrainingSpec(), PROTOCOLS["clean"], 10)
    decayed, plain = optimizer.param_groups
    assert decayed["param_names"] == ["0.weight", "2.weight"]
    assert plain["param_names"] == ["0.bias", "1.weight", "1.bias", "2.bias"]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)


def rates(protocol: Protocol, steps: int) -> list[float]:
    optimizer, schedule = make_optimizer(model(), TrainingSpec(learning_rate=1.0), protocol, steps)
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def test_the_slanted_triangle():
    # 20 steps, 10% warm-up: up in 2 steps, then down by 1/18 a step, and 0 would be step 20
    assert rates(PROTOCOLS["clean"], 20) == pytest.approx([0, 0.5] + [(20 - step) / 18 for step in range(2, 20)])


def test_the_released_schedule_jumps_after_the_warm_up():
    # as the released BERTAdam: progress / 0.1 while progress < 0.1, else 1 - progress
    assert rates(PROTOCOLS["released"], 20) == pytest.approx([0, 0.5] + [1 - step / 20 for step in range(2, 20)])


def test_bertadam_is_the_released_rule():
    """Three steps of one tensor beside the rule in NumPy, with a gradient whose norm is above 1."""
    start = np.array([0.5, -1.0, 2.0])
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = BertAdam([{"params": [weight]}], lr=0.1, weight_decay=0.01)
    m, v, expected = np.zeros(3), np.zeros(3), start.copy()
    for step in range(3):
        gradient = np.array([3.0, -4.0, 0.1]) * (step + 1)
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        gradient = gradient / max(1.0, np.linalg.norm(gradient))  # each tensor is clipped by itself
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        expected = expected - 0.1 * (m / (np.sqrt(v) + 1e-6) + 0.01 * expected)  # no bias correction
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-5)


def test_bertadam_clips_each_tensor_by_itself():
    small, large = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = BertAdam([{"params": [small, large], "weight_decay": 0.0}], lr=1.0)
    small.grad, large.grad = torch.tensor([0.5]), torch.tensor([100.0])
    optimizer.step()
    assert optimizer.state[small]["m"].item() == pytest.approx(0.05)
    assert optimizer.state[large]["m"].item() == pytest.approx(0.1, rel=1e-5)


UNCORRECTED = Protocol(optimizer="adamw without bias correction")


def test_adamw_without_bias_correction_step_by_step():
    """Four steps of the triangle beside NumPy, a decayed matrix and a bias, with gradients far above the clip norm."""
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2).double()
    training = TrainingSpec(learning_rate=0.1, weight_decay=0.05, warmup=0.5)
    optimizer, schedule = make_optimizer(network, training, UNCORRECTED, total_steps=4)
    expected = {name: weight.detach().numpy().copy() for name, weight in network.named_parameters()}
    moments = {name: (np.zeros_like(start), np.zeros_like(start)) for name, start in expected.items()}
    generator = np.random.default_rng(0)
    for rate in (0.0, 0.05, 0.1, 0.05):  # up in two steps, down in two
        for name, weight in network.named_parameters():
            gradient = 100 * generator.normal(size=weight.shape)
            weight.grad = torch.tensor(gradient)
            m, v = moments[name]
            m, v = moments[name] = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            decay = 0.05 if name == "weight" else 0.0
            expected[name] = expected[name] - rate * (m / (np.sqrt(v) + 1e-6) + decay * expected[name])
        optimizer.step()
        schedule.step()
        for name, weight in network.named_parameters():
            np.testing.assert_allclose(weight.detach().numpy(), expected[name], rtol=1e-10)


def test_bias_correction_is_one_factor_at_the_first_step():
    """AdamW's first update is g / |g|, without correction (1 - b1) / sqrt(1 - b2) of that; the decay is the same."""
    training = TrainingSpec(learning_rate=0.1, weight_decay=0.05, warmup=0.0)
    start = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    updates = []
    for protocol in (PROTOCOLS["clean"], UNCORRECTED):
        network = torch.nn.Linear(3, 1, bias=False).double()
        network.weight.data.copy_(start)
        optimizer, _ = make_optimizer(network, training, protocol, 10)
        network.weight.grad = torch.tensor([[3.0, -4.0, 0.1]], dtype=torch.float64)
        optimizer.step()
        updates.append((start * (1 - 0.1 * 0.05) - network.weight.detach()).numpy())
    np.testing.assert_allclose(updates[1] / updates[0], 0.1 / np.sqrt(0.001), rtol=1e-3)  # but for epsilon
    np.testing.assert_allclose(updates[0], 0.1 * np.sign([[3.0, -4.0, 0.1]]), rtol=1e-4)


def test_the_optimisers_that_share_the_triangle_share_clipping():
    protocols = (PROTOCOLS["clean"], UNCORRECTED, PROTOCOLS["released"])
    assert [overall_clip_norm(TrainingSpec(clip_norm=0.5), protocol) for protocol in protocols] == [0.5, 0.5, None]
    assert rates(UNCORRECTED, 20) == rates(PROTOCOLS["clean"], 20)


def test_the_first_update_of_bertadam_is_three_times_that_of_adam():
    """(1 - b1) / sqrt(1 - b2) = 3.16: what the missing bias correction does to the first step."""
    updates = []
    for protocol in PROTOCOLS.values():
        weight = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(weight.weight)
        optimizer, _ = make_optimizer(weight, TrainingSpec(learning_rate=1.0, warmup=0.0), protocol, 10)
        weight.weight.grad = torch.ones(1, 1)
        optimizer.step()
        updates.append(weight.weight.item())
    assert updates[1] / updates[0] == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-3)


def classifier() -> torch.nn.Module:
    """Two layers of 16, with pooler."""
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.1, pooler=True).body
    return TextClassifier(encoder, 3, FeatureSpec(pooler=True), "hierarchical self-attention", 0.1, 1024)


def test_layer_wise_rates_by_name():
    """Two layers with xi = 0.5: the top one has the base rate, the one below half of it."""
    for embeddings, factor in [("base", 1.0), ("bottom", 0.25)]:
        training = TrainingSpec(learning_rate=1.0, layer_decay=0.5, embeddings=embeddings)
        network = classifier()
        optimizer, _ = make_optimizer(network, training, PROTOCOLS["released"], 10)
        rate = {name: group["initial_lr"] for group in optimizer.param_groups for name in group["param_names"]}
        assert sorted(rate) == sorted(name for name, _ in network.named_parameters())
        assert len(rate) == sum(len(group["params"]) for group in optimizer.param_groups)
        for name, value in rate.items():
            expected = 0.5 if ".layer.0." in name else factor if ".embeddings." in name else 1.0
            assert value == expected, name


def test_frozen_weights_are_in_no_group():
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.1).body
    network = TextClassifier(encoder, 3, FeatureSpec(), "head-only", 0.1, 1024, frozen=True)
    optimizer, _ = make_optimizer(network, TrainingSpec(layer_decay=0.5), PROTOCOLS["clean"], 10)
    assert [group["param_names"] for group in optimizer.param_groups] == [["output.weight"], ["output.bias"]]


def test_a_decay_of_one_is_the_plain_optimiser(spec):
    corpus = load_corpus(spec.data)
    plain = finetune(spec, corpus)
    same = finetune(spec.variant({"training.layer_decay": 1.0, "training.embeddings": "bottom"}), corpus)
    other = finetune(spec.variant({"training.layer_decay": 0.9}), corpus)
    assert same.losses == plain.losses
    assert other.losses != plain.losses


def test_a_warm_up_of_part_of_a_step_is_rounded_up():
    # 10% of 15 steps: up in 2, then down by 1/13 a step
    assert rates(PROTOCOLS["clean"], 15) == pytest.approx([0, 0.5] + [(15 - step) / 13 for step in range(2, 15)])
