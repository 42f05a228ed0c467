import pytest
import torch
from scipy import stats
from torch import nn

from tcstudy.models.attention import CheapDropout, kept


@pytest.mark.parametrize("dropout", [0.05, 0.1, 0.3, 0.5])
def test_as_many_are_dropped_as_the_probability_says(dropout):
    torch.manual_seed(0)
    dropped = (~kept((1000, 1001), dropout)).sum().item()
    assert stats.binomtest(dropped, 1000 * 1001, dropout).pvalue > 1e-3


def test_what_is_dropped_is_independent_of_the_neighbours_and_of_the_draw_before():
    torch.manual_seed(0)
    first, second = (kept((1000, 1000), 0.1).double() for _ in range(2))
    for one, other in ((first[:, :-1], first[:, 1:]), (first[:-1], first[1:]), (first, second)):
        assert abs(stats.pearsonr(one.flatten(), other.flatten()).statistic) < 4e-3  # four standard errors


def test_torchs_seed_decides():
    torch.manual_seed(3)
    one, state, other = kept((7, 9), 0.3), torch.get_rng_state(), kept((7, 9), 0.3)
    assert not torch.equal(one, other)
    torch.set_rng_state(state)
    assert torch.equal(kept((7, 9), 0.3), other)
    torch.manual_seed(3)
    assert torch.equal(kept((7, 9), 0.3), one)


def test_states_and_gradients_are_dropped_and_scaled_alike():
    torch.manual_seed(0)
    states = torch.ones(200, 300, requires_grad=True)
    dropped = CheapDropout(0.1)(states)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.9])
    dropped.sum().backward()
    torch.testing.assert_close(states.grad, dropped.detach())


@pytest.mark.parametrize(("dropout", "training"), [(0.1, False), (0.0, True), (1.0, True)])
def test_evaluation_and_the_two_ends_are_as_in_torch(dropout, training):
    states = torch.randn(4, 5)
    torch.testing.assert_close(
        CheapDropout(dropout).train(training)(states), nn.Dropout(dropout).train(training)(states)
    )
