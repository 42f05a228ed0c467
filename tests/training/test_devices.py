import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from tcstudy.corpora.loading import load_corpus
from tcstudy.errors import StudyError
from tcstudy.training.devices import device_name, make_accelerator
from tcstudy.training.finetune import finetune


@pytest.fixture(autouse=True)
def own_accelerator():
    """Accelerate keeps the precision that it was first asked for."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_precision_that_is_not_supported_is_told(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(StudyError, match="ACCELERATE_MIXED_PRECISION is 'fp16', but should be no or bf16"):
        make_accelerator()


@pytest.mark.skipif(torch.accelerator.is_available(), reason="a GPU chooses bf16 itself")
def test_without_a_gpu_everything_is_computed_in_fp32():
    accelerator = make_accelerator()
    assert accelerator.mixed_precision == "no"
    assert device_name(accelerator) == f"cpu, {torch.get_num_threads()} threads"


def test_bf16_changes_losses_and_probabilities_by_little_and_leaves_weights_in_fp32(spec, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    spec = spec.variant({"training.dropout": 0.0})
    corpus = load_corpus(spec.data)
    exact = finetune(spec, corpus)
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    rounded = finetune(spec, corpus)
    assert rounded.device.endswith(", bf16")
    assert rounded.losses != exact.losses
    assert rounded.losses == pytest.approx(exact.losses, rel=0.05)
    assert rounded.probabilities.dtype == np.float32
    assert np.abs(rounded.probabilities - exact.probabilities).max() < 0.05
