import numpy as np
import pytest
import torch

from tcstudy.catalog.limits import BILSTM_UNITS as UNITS
from tcstudy.encoding.batches import collate, plan_micro_batches
from tcstudy.encoding.documents import Document, fractions
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.models.readers import BiLSTMReader
from tcstudy.spec import EncoderSpec, FeatureSpec, WindowSpec
from tcstudy.training.finetune import cross_entropy_part

UNBOUNDED = 10**9
BILSTM = FeatureSpec(reader="bilstm")


def classifier(
    features: FeatureSpec = BILSTM, budget: int = UNBOUNDED, dropout: float = 0.0, frozen: bool = False
) -> TextClassifier:
    """Three classes over the tiny encoder in float64."""
    torch.manual_seed(1)
    encoder = load_encoder(EncoderSpec(name="tiny"), dropout=dropout).body
    return TextClassifier(encoder, 3, features, "hierarchical mean", dropout, budget, frozen).double()


def some_documents() -> list[Document]:
    generator = np.random.default_rng(0)
    window = WindowSpec(method="hierarchical mean", length=16)
    texts = [generator.integers(5, 60, size=size).tolist() for size in (0, 3, 14, 15, 40, 90)]
    return [Document(fractions(ids, window, 2, 3), label=i % 3, length=len(ids)) for i, ids in enumerate(texts)]


def test_a_counting_lstm_by_hand():
    """Gates wide open and a candidate of tanh(0.5): after t tokens the cell is t tanh(0.5), whatever they are."""
    reader = BiLSTMReader(4)
    with torch.no_grad():
        for name, weight in reader.lstm.named_parameters():
            weight.zero_()
            if name.startswith("bias_ih"):
                weight[:] = torch.tensor([50.0, 50.0, 0.5, 50.0]).repeat_interleave(
                    UNITS
                )  # input, forget, cell, output
        reader.pooling.score.weight.zero_()  # equal attention
    batch = collate([Document([[2, 7, 3]], 0, 1), Document([[2, 7, 8, 3], [2, 3]], 1, 2)], [0, 1], pad=0)
    states = reader.select(torch.randn(*batch.input_ids.shape, 4), batch)
    assert states.shape == (3 + 6, 4)
    for document, tokens in zip(reader(states, batch), (3, 6), strict=True):
        expected = np.tanh(np.arange(1, tokens + 1) * np.tanh(0.5)).mean()
        np.testing.assert_allclose(document.detach().numpy(), np.full(2 * UNITS, expected), rtol=1e-5)


def test_beside_the_librarys_lstm_on_each_document_alone():
    """Two layers joined; tokens of all fractions one after another, no padding, and Lin et al.'s attention in full."""
    model = classifier(FeatureSpec(layers=(0, 1), join="concat", reader="bilstm"))
    documents = some_documents()
    logits = model(collate(documents, range(len(documents)), pad=0))
    reader = model.reader
    for document, given in zip(documents, logits, strict=True):
        tokens = []
        for ids in document.fractions:
            states = model.encoder(torch.tensor([ids]), output_hidden_states=True).hidden_states
            tokens.append(torch.cat([states[1][0], states[2][0]], dim=-1))  # states[0] are the embeddings
        read, _ = reader.lstm(torch.cat(tokens)[None])
        scores = torch.tanh(read[0] @ reader.pooling.hidden.weight.T) @ reader.pooling.score.weight[0]
        state = torch.softmax(scores, dim=0) @ read[0]
        torch.testing.assert_close(given, model.output(state))


def test_padding_never_matters():
    model, documents = classifier(), some_documents()
    together = model(collate(documents, range(len(documents)), pad=0))
    for row, document in enumerate(documents):
        torch.testing.assert_close(model(collate([document], [0], pad=0))[0], together[row])
    torch.testing.assert_close(model(collate(documents, range(len(documents)), pad=7)), together)


def test_the_order_of_tokens_matters():
    model = classifier()
    with torch.no_grad():
        model.encoder.embeddings.position_embeddings.weight.zero_()  # the encoder itself knows no order then
    one, other = (
        model(collate([Document([ids], 0, 3)], [0], pad=0)) for ids in ([2, 7, 8, 9, 10, 3], [2, 10, 9, 8, 7, 3])
    )
    assert not torch.allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("budget", [1, 16, 40, 100, UNBOUNDED])
def test_micro_batches_add_up_to_the_whole_batch(budget, frozen):
    documents = some_documents()
    whole = classifier(frozen=frozen)
    batch = collate(documents, range(len(documents)), pad=0)
    loss = torch.nn.functional.cross_entropy(whole(batch), batch.labels)
    loss.backward()
    model = classifier(budget=budget, frozen=frozen)
    pieces = [collate(documents, rows, pad=0) for rows in plan_micro_batches(documents, budget)]
    parts = [cross_entropy_part(model, piece, pieces) for piece in pieces]
    for part in parts:
        part.backward()
    assert sum(part.item() for part in parts) == pytest.approx(loss.item(), rel=1e-9)
    for (name, one), other in zip(whole.named_parameters(), model.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None) == (frozen and name.startswith("encoder.")), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("reader", ["cls", "bilstm"])
def test_a_frozen_encoder_drops_nothing_out_and_keeps_no_graph(reader):
    model = classifier(FeatureSpec(reader=reader), budget=16, dropout=0.5, frozen=True).train()
    documents = some_documents()
    batch = collate(documents, range(len(documents)), pad=0)
    seen = []
    model.encoder.register_forward_hook(lambda *arguments: seen.append(torch.is_grad_enabled()))
    states = model.reader(model._encode(batch), batch)
    assert set(seen) == {False}
    assert not model.encoder.training
    assert model.dropout.training
    torch.testing.assert_close(states, model.reader(model._encode(batch), batch), rtol=0, atol=0)
    assert not torch.equal(model(batch), model(batch))  # the dropout before the classifier is on
    trained = {name.partition(".")[0] for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {"reader", "output"} - ({"reader"} if reader == "cls" else set())  # a mean has no weights
