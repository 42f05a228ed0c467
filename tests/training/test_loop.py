import pytest
import torch

from tcstudy.corpora.loading import load_corpus
from tcstudy.training import finetune as module
from tcstudy.training.finetune import finetune
from tcstudy.training.loop import fit, halved


def with_memory_for(documents: int, sizes: list[int]):
    """The training loop, on a device that can take so many documents at once; `sizes` tells what it was given."""

    def limited(model, batches, loss_of, *rest):
        def loss(model, micro_batch, batch):
            sizes.append(len(micro_batch.labels))
            part = loss_of(model, micro_batch, batch)
            if len(micro_batch.labels) > documents:
                part.backward()  # as far as gradients, which must not count
                raise torch.OutOfMemoryError("out of memory")
            return part

        return fit(model, batches, loss, *rest)

    return limited


def test_where_memory_is_used_up_micro_batches_are_halved_and_nothing_else_changes(spec, monkeypatch):
    spec = spec.variant({"training.dropout": 0.0, "training.batch_size": 8})
    corpus, sizes = load_corpus(spec.data), []
    whole = finetune(spec, corpus)
    monkeypatch.setattr(module, "fit", with_memory_for(2, sizes))
    halves = finetune(spec, corpus)
    assert halves.losses == pytest.approx(whole.losses, rel=1e-4)
    assert (halves.tokens, halves.best_epoch) == (whole.tokens, whole.best_epoch)
    assert sizes.index(2) == 2  # eight, then four, then two
    assert max(sizes[2:]) == 2  # and it stays with these


def test_a_document_that_does_not_fit_by_itself_is_told(spec, monkeypatch):
    monkeypatch.setattr(module, "fit", with_memory_for(0, []))
    with pytest.raises(torch.OutOfMemoryError, match="a single document"):
        finetune(spec, load_corpus(spec.data))


def test_halving_ends_with_single_documents():
    class Pieces(tuple):
        def halves(self):
            cut = len(self) // 2
            return [Pieces(self[:cut]), Pieces(self[cut:])] if cut else [self]

    batch = [Pieces(range(5)), Pieces((5,))]
    for expected in ([2, 3, 1], [1, 1, 1, 2, 1], [1] * 6, [1] * 6):
        batch = halved(batch)
        assert [len(piece) for piece in batch] == expected
    assert [number for piece in batch for number in piece] == list(range(6))
