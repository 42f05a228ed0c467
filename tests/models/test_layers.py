import pytest
import torch

from tcstudy.models.readers import join_layers, joined_width


def test_worked_by_hand():
    states = [torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, 2.0]])]
    assert join_layers(states, "concat").tolist() == [[1.0, 4.0, 3.0, 2.0]]
    assert join_layers(states, "mean").tolist() == [[2.0, 3.0]]
    assert join_layers(states, "max").tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("how", ["concat", "mean", "max"])
def test_one_layer_joined_is_itself_and_widths_agree(how):
    state = torch.randn(3, 5)
    assert torch.equal(join_layers([state], how), state)
    assert join_layers([state] * 4, how).shape[1] == joined_width(5, 4, how)
