"""Every kind of step on a GPU that is not there (fake_cuda.py): devices, dtypes, kernels, and where the host waits."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

LOSS = "item: loop.py: loss = loss.item()"
PROBABILITIES = "copy to the host: engine.py: "
MOST_KERNELS = {  # of two layers; a layer of BERT adds about 90, and AdamW, clipping and the loss few
    "long documents": 330,
    "short documents": 330,
    "hierarchical self-attention": 360,
    "both layers": 340,
    "a family that computes padding": 380,
    "MLM and NSP": 390,
    "multi-task": 330,
    "gone on": 330,
    "in fp32": 355,  # attention in one padded rectangle
    "as released": 880,  # BertAdam, tensor by tensor
    "over the budget": 1000,  # three pieces, each computed twice
}


@pytest.fixture(scope="session")
def noted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What steps.py noted of each kind of step, in a process of its own."""
    import torch

    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ to make what a CPU build of torch lacks")
    if torch.version.cuda:
        pytest.skip("this build of torch has CUDA itself, and would be asked for a real GPU")
    folder, torch_home = tmp_path_factory.mktemp("fake_cuda"), Path(find_spec("torch").origin).parent
    library, here = folder / "fake_cuda.so", Path(__file__).parent
    options = ["-std=c++20", "-O0", "-shared", "-fPIC", f"-I{torch_home}/include", f"-L{torch_home}/lib"]
    options += ["-Wl,--no-as-needed", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{torch_home}/lib"]
    subprocess.run([compiler, *options, str(here / "fake_cuda.cpp"), "-o", str(library)], check=True)
    out = folder / "noted.json"
    environment = os.environ | {"FAKE_CUDA": str(library), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, str(here / "steps.py"), str(out)], env=environment, check=True, timeout=600)
    return json.loads(out.read_text())


@pytest.mark.parametrize("step", MOST_KERNELS)
def test_an_update_is_one_micro_batch_that_waits_for_nothing_but_the_loss(noted, step):
    assert "error" not in noted[step], noted[step]["error"]
    assert noted[step]["micro_batches"] == 1
    assert [place[: len(LOSS)] for place in noted[step]["waits"]] == [LOSS]
    assert list(noted[step]["waits"].values()) == [1]


@pytest.mark.parametrize("step", MOST_KERNELS)
def test_kernels_of_an_update_are_bounded(noted, step):
    assert 100 < noted[step]["kernels"] <= MOST_KERNELS[step]


@pytest.mark.parametrize("step", sorted({*MOST_KERNELS} - {"in fp32", "a family that computes padding"}))
def test_all_products_are_in_bf16(noted, step):
    assert noted[step]["products"].keys() == {"bfloat16"}
    assert noted[step]["products"]["bfloat16"] >= 2 * 6 * 3  # of each layer's six, forward and twice on the way back


def test_where_there_is_no_bf16_products_are_in_fp32(noted):
    assert noted["in fp32"]["products"].keys() == {"float32"}


@pytest.mark.parametrize("step", ["BERT-Feat", "biLSTM on layers that are trained"])
def test_a_bilstm_is_never_computed_in_half_precision(noted, step):
    """Its products come in fp32, token by token since there is no cuDNN; the encoder's in bf16."""
    assert "error" not in noted[step], noted[step]["error"]
    products, kernels = noted[step]["products"], noted[step]["by_name"]
    assert products.keys() == {"bfloat16", "float32"}
    assert products["float32"] > 4 * 20  # of forward and backward, both directions, for each of the longest's tokens
    assert products["bfloat16"] < 60
    assert sum(noted[step]["waits"].values()) == 1
    assert kernels["_flash_attention_forward"] == 2


@pytest.mark.parametrize("step", ["prediction", "prediction of a biLSTM"])
def test_predictions_are_collected_once(noted, step):
    assert "error" not in noted[step], noted[step]["error"]
    assert [place[: len(PROBABILITIES)] for place in noted[step]["waits"]] == [PROBABILITIES]
    assert list(noted[step]["waits"].values()) == [1]
    assert noted["prediction"]["micro_batches"] > 1
    assert noted["prediction"]["kernels"] < 100 * noted["prediction"]["micro_batches"]


@pytest.mark.parametrize("step", ["long documents", "short documents", "multi-task", "MLM and NSP", "both layers"])
def test_only_real_tokens_are_computed_and_attention_is_one_kernel_a_layer(noted, step):
    kernels = noted[step]["by_name"]
    assert kernels["_flash_attention_forward"] == kernels["_flash_attention_backward"] == 2


def test_faults_are_caught(noted):
    """A test of the tests above."""
    assert "FakeTensorDeviceMismatchError" in noted["a mask on the CPU"]["error"]
    assert sum(noted["labels asked for"]["waits"].values()) == 2
    cut = noted["cut as on a CPU, with padding"]
    assert cut["micro_batches"] > 2
    assert cut["kernels"] > 2 * MOST_KERNELS["long documents"]
    assert sum(cut["waits"].values()) == 1
