"""A GPU that is not there: tensors on "cuda" know shape, dtype and device, and hold nothing.

Tensors of the CPU are ordinary ones. Those of "cuda" are torch's FakeTensors, which go through the same autograd,
autocast and operators as on a GPU, so what is on the wrong device or of a dtype that does not fit is an error. Whole
numbers and booleans are computed on the CPU as well, so that what depends on them is as it will be. Noted are kernels,
copies, the dtypes of matrix products and each place where the host would wait for the GPU.

Not seen: whether kernels exist and are right, numbers, time, several GPUs. It has to be imported before torch, with the
library made of fake_cuda.cpp in FAKE_CUDA.
"""

import ctypes
import os

ctypes.CDLL(os.environ["FAKE_CUDA"], ctypes.RTLD_GLOBAL)  # before torch asks for its hooks the first time

import traceback
from collections import Counter
from pathlib import Path

import torch
import transformers.masking_utils
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

import tcstudy

aten = torch.ops.aten
PACKAGE = str(Path(tcstudy.__file__).parent)
PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default)


def _pinned(tensor: torch.Tensor, *_: object) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.in_pinned_memory = True
    return tensor


torch.cuda._lazy_init = lambda: None
torch.cuda.is_available = lambda: True
torch.cuda.get_device_capability = lambda *_: (9, 0)
torch.backends.cuda.is_flash_attention_available = lambda: True
torch.cuda.is_bf16_supported = lambda including_emulation=True: True
torch.cuda.get_rng_state = lambda *_: torch.zeros(16, dtype=torch.uint8)
torch.cuda.set_rng_state = lambda *_: None
torch.cuda.amp.common.amp_definitely_not_available = lambda: False  # else autocast would switch itself off
torch.Tensor.pin_memory = _pinned
torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor([1], device="cuda") comes by as a copy
transformers.masking_utils.is_tracing = lambda *_: False  # it would take FakeTensors for a graph's and ask less


class FakeGPU(TorchDispatchMode):
    """Within, what touches "cuda" goes to a FakeTensorMode, and is noted.

    Attributes:
        kernels: operators that start work on the GPU, by name.
        copies: to the GPU.
        waits: places where the host waits for the GPU, and how often.
        products: dtypes of matrix products.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.forget()

    def forget(self) -> None:
        self.copies, self.kernels, self.waits, self.products = 0, Counter(), Counter(), Counter()

    def _waits(self, why: str) -> None:
        own = [frame for frame in traceback.extract_stack() if frame.filename.startswith(PACKAGE)]
        place = f"{Path(own[-1].filename).name}: {own[-1].line}" if own else "outside the package"
        self.waits[f"{why}: {place}"] += 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled() and func.namespace == "aten":  # there, operators come by whole
            with self:
                if (result := func.decompose(*args, **kwargs)) is not NotImplemented:
                    return result
        tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
        fakes = [tensor for tensor in tensors if isinstance(tensor, FakeTensor)]
        target = torch.device(kwargs["device"]).type if kwargs.get("device") is not None else None
        if not fakes and target != "cuda":
            return func(*args, **kwargs)  # the CPU's own business
        known = all(hasattr(tensor, "shadow") for tensor in fakes)
        if func is aten._local_scalar_dense.default:
            self._waits("item")
            return args[0].shadow.item() if known else 1.0
        if func is aten._to_copy.default and fakes and target == "cpu":
            self._waits("copy to the host")
            return args[0].shadow.clone() if known else torch.zeros(args[0].shape, dtype=args[0].dtype)
        if func is aten._to_copy.default and not fakes:
            self.copies += 1
            if not kwargs.get("non_blocking") or not hasattr(args[0], "in_pinned_memory"):
                self._waits("copy from pageable memory")
            with self.fake:
                result = torch.empty(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype, device="cuda")
            return _knowing(result, args[0])
        if func is aten.copy_.default and not isinstance(args[1], FakeTensor):
            self._waits("copy from pageable memory")
            return args[0]
        if func is aten.copy_.default and not isinstance(args[0], FakeTensor):
            self._waits("copy to the host")
            return args[0]
        if func is aten.index.Tensor and args[1][0] is not None and args[1][0].dtype == torch.bool:
            self._waits("boolean index")
            where = args[1][0].shadow.flatten().nonzero()[:, 0]
            args = (args[0].reshape(-1, *args[0].shape[args[1][0].ndim :]), [self.fake.from_tensor(where).to("cuda")])
        if func is aten.nonzero.default:
            self._waits("nonzero")
            return _knowing(self.fake.from_tensor(args[0].shadow.nonzero()).to("cuda"), args[0].shadow.nonzero())
        if func.namespace == "aten" and not any(
            r.alias_info and not r.alias_info.is_write for r in func._schema.returns
        ):
            self.kernels[func._schema.name.removeprefix("aten::")] += 1  # no view
        if func in PRODUCTS:
            self.products[str(tensors[-1].dtype).removeprefix("torch.")] += 1
        if func is aten._flash_attention_forward.default:
            self._check_attention(*args[:5])
        with self.fake:
            result = func(*args, **kwargs)
        outputs = result if isinstance(result, list | tuple) else [result]
        if known and all(isinstance(one, FakeTensor) and not one.is_floating_point() for one in outputs):
            values = tree_map(lambda leaf: leaf.shadow if isinstance(leaf, FakeTensor) else leaf, args)
            values = func(*values, **kwargs | ({"device": torch.device("cpu")} if target else {}))
            values = values if isinstance(values, list | tuple) else [values]
            for one, value in zip(outputs, values, strict=True):
                _knowing(one, value)
        return result

    def _check_attention(self, query, key, value, ends, other_ends) -> None:
        """What the kernel of rows of different length asks of its arguments, which their shapes do not show."""
        tokens, _, width = query.shape
        assert query.shape == key.shape == value.shape
        assert {one.dtype for one in (query, key, value)} <= {torch.bfloat16, torch.float16}
        assert width % 8 == 0
        assert all(one.stride(-1) == 1 for one in (query, key, value))
        for one in (ends, other_ends):
            assert one.dtype == torch.int32
            assert one.shadow[0] == 0 and one.shadow[-1] == tokens and (one.shadow.diff() > 0).all()


def _knowing(fake: FakeTensor, values: torch.Tensor) -> FakeTensor:
    if not values.is_floating_point():
        fake.shadow = values
    return fake


def to_gpu(model: torch.nn.Module) -> torch.nn.Module:
    """`model.to("cuda")`, which cannot put a FakeTensor into a parameter that is there."""
    new: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        for module in model.modules():
            for name, old in [*module._parameters.items(), *module._buffers.items()]:
                if old is None:
                    continue
                if id(old) not in new:
                    moved = old.detach().to("cuda")
                    trained = isinstance(old, torch.nn.Parameter)
                    new[id(old)] = torch.nn.Parameter(moved, old.requires_grad) if trained else moved
                (module._parameters if name in module._parameters else module._buffers)[name] = new[id(old)]
    return model


class OneGPU:
    """What the package uses of accelerate's Accelerator, for one GPU that computes in bf16, or as it is told."""

    device = torch.device("cuda", 0)
    process_index, num_processes, is_main_process = 0, 1, True

    def __init__(self, precision: torch.dtype | None = torch.bfloat16) -> None:
        self.precision = precision
        self.mixed_precision = "no" if precision is None else "bf16"

    def autocast(self) -> torch.autocast:
        return torch.autocast("cuda", self.precision, enabled=self.precision is not None)

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()
