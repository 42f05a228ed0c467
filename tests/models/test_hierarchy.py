import pytest
import torch

from tcstudy.experiments.long_texts import METHODS
from tcstudy.models.readers import SelfAttentionPooling, pooling_for, split_by_document

STATES = torch.tensor([[1.0, -6.0], [3.0, -2.0], [5.0, -9.0]])  # a document of two fractions, then one of one


def test_mean_and_max_worked_by_hand():
    states, mask = split_by_document(STATES, [2, 1])
    assert pooling_for("hierarchical mean", 2)(states, mask).tolist() == [[2.0, -4.0], [5.0, -9.0]]
    assert pooling_for("hierarchical max", 2)(states, mask).tolist() == [[3.0, -2.0], [5.0, -9.0]]


def test_self_attention_is_the_formula():
    torch.manual_seed(0)
    pooling = SelfAttentionPooling(2)
    document = STATES[:2]
    scores = torch.stack([pooling.score.weight[0] @ torch.tanh(pooling.hidden.weight @ h) for h in document])
    expected = torch.softmax(scores, 0) @ document
    torch.testing.assert_close(pooling(*split_by_document(STATES, [2, 1]))[0], expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_document_of_one_fraction_is_left_as_it_is(method):
    states = torch.randn(4, 6)
    torch.testing.assert_close(pooling_for(method, 6)(*split_by_document(states, [1] * 4)), states)


@pytest.mark.parametrize("method", METHODS)
def test_padding_beside_longer_documents_changes_nothing(method):
    pooling = pooling_for(method, 6)
    states = torch.randn(7, 6)
    together = pooling(*split_by_document(states, [2, 5]))
    alone = pooling(*split_by_document(states[:2], [2]))
    torch.testing.assert_close(together[:1], alone)
