import accelerate
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


class Row:
    """A micro-batch of one number, whose loss is the weight times it."""

    tokens = computed_tokens = 1

    def __init__(self, value: float) -> None:
        self.value = value

    def to(self, device):
        return self


@pytest.mark.parametrize(("clip_norm", "step"), [(1.0, 1.0), (10.0, 5.0), (None, 5.0)])
def test_the_gradient_of_all_parameters_together_is_clipped(clip_norm, step):
    model = torch.nn.ParameterList([torch.zeros(()), torch.zeros(())])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    loss = lambda model, row, batch: row.value * (3 * model[0] - 4 * model[1])  # noqa: E731
    accelerator = accelerate.Accelerator(cpu=True)
    [done] = fit(model, [[Row(0.5), Row(0.5)]], loss, optimizer, schedule, accelerator, clip_norm)
    assert done.number == 1
    assert [weight.item() for weight in model] == pytest.approx([-0.6 * step, 0.8 * step], rel=1e-5)
