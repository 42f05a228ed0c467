import numpy as np
import pytest
import torch

from tcstudy.encoding.batches import MicroBatch, collate, plan_micro_batches
from tcstudy.encoding.documents import Document, fractions
from tcstudy.experiments.long_texts import METHODS
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import EncoderSpec, FeatureSpec, WindowSpec
from tcstudy.training.finetune import cross_entropy_part

UNBOUNDED = 10**9
BUDGETS = [1, 13, 16, 40, 100, 333, UNBOUNDED]


def classifier(
    method: str = "head-only", features: FeatureSpec | None = None, budget: int = UNBOUNDED
) -> TextClassifier:
    """Three classes over the tiny encoder in float64, without dropout."""
    torch.manual_seed(1)
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.0).body
    return TextClassifier(encoder, 3, features or FeatureSpec(), method, 0.0, budget).double()


def batch_of_documents(method: str) -> list[Document]:
    generator = np.random.default_rng(0)
    window = WindowSpec(method=method, length=16)
    texts = [generator.integers(5, 60, size=generator.integers(0, 90)).tolist() for _ in range(24)]
    return [Document(fractions(ids, window, 2, 3), label=i % 3, length=len(ids)) for i, ids in enumerate(texts)]


def whole_gradient(model: TextClassifier, documents: list[Document]) -> tuple[float, torch.Tensor]:
    """The batch in one piece: mean cross-entropy and its gradient, by torch's own reduction."""
    batch = collate(documents, range(len(documents)), pad=0)
    loss = torch.nn.functional.cross_entropy(model(batch), batch.labels)
    return loss.item(), torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def summed_gradient(model: TextClassifier, batch: list[MicroBatch]) -> tuple[float, torch.Tensor]:
    total = 0.0
    for micro_batch in batch:
        loss = cross_entropy_part(model, micro_batch, batch)
        loss.backward()
        total += loss.item()
    return total, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("unpadded", [False, True])
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_add_up_to_the_whole_batch(method, budget, unpadded):
    documents = batch_of_documents(method)
    loss, gradient = whole_gradient(classifier(method), documents)
    plan = plan_micro_batches(documents, budget, unpadded)
    batch = [collate(documents, rows, pad=0, unpadded=unpadded) for rows in plan]
    summed_loss, summed = summed_gradient(classifier(method, budget=budget), batch)
    assert summed_loss == pytest.approx(loss, rel=1e-9)
    assert (summed - gradient).norm() / gradient.norm() < 1e-6


def test_a_document_far_over_the_budget_is_encoded_in_pieces():
    seen = []
    document = Document(
        fractions(list(range(5, 60)) * 30, WindowSpec(method="hierarchical mean", length=16), 2, 3), 0, 0
    )
    model = classifier("hierarchical mean", budget=64)
    model.encoder.register_forward_pre_hook(
        lambda module, arguments, keywords: seen.append(arguments[0].numel()), with_kwargs=True
    )
    batch = [collate([document], [0], pad=0)]
    assert batch[0].input_ids.numel() > 1000
    summed_gradient(model, batch)
    assert max(seen) <= 64


def test_dropout_is_the_same_when_a_piece_is_computed_again():
    torch.manual_seed(1)
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.5).body
    model = TextClassifier(encoder, 3, FeatureSpec(), "hierarchical mean", 0.0, budget=64).double()
    ids = list(range(5, 60)) * 3
    document = Document(fractions(ids, WindowSpec(method="hierarchical mean", length=16), 2, 3), 0, len(ids))
    batch = collate([document], [0], pad=0)
    torch.manual_seed(2)
    loss = torch.nn.functional.cross_entropy(model(batch), batch.labels)
    [gradient] = torch.autograd.grad(loss, model.encoder.embeddings.LayerNorm.weight)
    step = 1e-6 * torch.randn_like(gradient)
    with torch.no_grad():
        model.encoder.embeddings.LayerNorm.weight += step
    torch.manual_seed(2)
    moved = torch.nn.functional.cross_entropy(model(batch), batch.labels)
    assert (moved - loss).item() == pytest.approx((gradient * step).sum().item(), rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_one_fraction_is_the_plain_classifier(method):
    documents = [Document([[2, 7, 8, 9, 3]], 0, 3), Document([[2, 10, 3]], 1, 1)]
    batch = collate(documents, [0, 1], pad=0)
    plain, other = classifier(), classifier(method)
    other.output.load_state_dict(plain.output.state_dict())
    torch.testing.assert_close(other(batch), plain(batch))


def test_equal_to_the_librarys_own_hidden_states():
    batch = collate([Document([[2, 7, 8, 9, 3]], 0, 3), Document([[2, 10, 3]], 1, 1)], [0, 1], pad=0)
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.0).body.double().eval()
    states = encoder(batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True).hidden_states
    last = classifier()
    torch.testing.assert_close(last(batch), last.output(states[2][:, 0]))  # states[0] are the embeddings
    first = classifier(features=FeatureSpec(layers=(0,)))
    torch.testing.assert_close(first(batch), first.output(states[1][:, 0]))
    both = classifier(features=FeatureSpec(layers=(0, 1), join="concat"))
    torch.testing.assert_close(both(batch), both.output(torch.cat([states[1][:, 0], states[2][:, 0]], dim=-1)))


def test_the_pooler_is_the_librarys_own():
    batch = collate([Document([[2, 7, 8, 9, 3]], 0, 3)], [0], pad=0)
    torch.manual_seed(3)
    pretrained = load_encoder(EncoderSpec(name="tiny"), dropout=0.0, pooler=True)
    assert pretrained.made_new == ("pooler.dense.bias", "pooler.dense.weight")  # the tiny checkpoint has none
    encoder = pretrained.body.double().eval()
    model = TextClassifier(encoder, 3, FeatureSpec(pooler=True), "head-only", 0.0, UNBOUNDED).double()
    last = encoder(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state[:, 0]
    torch.testing.assert_close(model(batch), model.output(torch.tanh(encoder.pooler.dense(last))))


def test_reading_a_low_layer_does_not_cost_the_layers_above():
    model = classifier(features=FeatureSpec(layers=(0,)))
    assert len(model.encoder.encoder.layer) == 1


def test_one_dropout_probability_everywhere():
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=0.25).body
    assert {module.p for module in encoder.modules() if isinstance(module, torch.nn.Dropout)} == {0.25}
    assert encoder.config.attention_probs_dropout_prob == 0.25
