from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from tcstudy.corpora.loading import load_corpus
from tcstudy.errors import StudyError
from tcstudy.training.devices import _precision, device_name, make_accelerator
from tcstudy.training.finetune import finetune

pytestmark = pytest.mark.usefixtures("own_accelerator")


def test_a_precision_that_is_not_supported_is_told(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(StudyError, match="ACCELERATE_MIXED_PRECISION is 'fp16', but should be no or bf16"):
        make_accelerator()


def test_another_precision_is_told(monkeypatch):
    monkeypatch.setenv("TCSTUDY_PRECISION", "fp16")
    with pytest.raises(StudyError, match="TCSTUDY_PRECISION is 'fp16', but should be bf16, tf32 or fp32"):
        make_accelerator()


@pytest.mark.parametrize(
    ("has_bf16", "launched_with", "asked", "expected"),
    [
        (True, None, None, "bf16"),
        (True, "no", None, "bf16"),  # as accelerate's launcher sets it where nothing is asked for
        (True, "no", "fp32", "fp32"),
        (True, None, "tf32", "tf32"),
        (False, None, None, "fp32"),  # a T4 only imitates bf16
        (False, "bf16", None, "bf16"),
        (False, None, "bf16", "bf16"),
    ],
)
def test_a_gpu_computes_in_bf16_if_it_has_it_unless_told_otherwise(
    monkeypatch, has_bf16, launched_with, asked, expected
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_bf16
    )
    for name, value in (("ACCELERATE_MIXED_PRECISION", launched_with), ("TCSTUDY_PRECISION", asked)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert _precision(on_cpu=False) == expected


def test_a_record_tells_the_precision_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA T4")
    gpu = SimpleNamespace(device=torch.device("cuda", 0), mixed_precision="no")
    assert device_name(gpu) == "NVIDIA T4, fp32"
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    assert device_name(gpu) == "NVIDIA T4, tf32"
    assert device_name(SimpleNamespace(device=gpu.device, mixed_precision="bf16")) == "NVIDIA T4, bf16"


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
    monkeypatch.setenv("TCSTUDY_PRECISION", "bf16")
    rounded = finetune(spec, corpus)
    assert rounded.device.endswith(", bf16")
    assert rounded.losses != exact.losses
    assert rounded.losses == pytest.approx(exact.losses, rel=0.05)
    assert rounded.probabilities.dtype == np.float32
    assert np.abs(rounded.probabilities - exact.probabilities).max() < 0.05
