"""GPUs: what their vendors say they reach at most."""

from dataclasses import dataclass

from tcstudy.errors import StudyError, nearest


@dataclass(frozen=True)
class Gpu:
    """A GPU by its vendor's data sheet.

    Attributes:
        name: how the command line calls it.
        title: which variant it is, where there are several.
        peak: TFLOP/s of dense matrix products in `precision` (data sheets like to print twice that, for sparse ones).
        precision: what an encoder computes in on this GPU: bf16 where its tensor cores have it, else fp32 on the
            ordinary cores. The fp16 of older tensor cores does not count, since it is never used.
        memory: gigabytes.
        bandwidth: gigabytes that its memory reads or writes in a second.
    """

    name: str
    title: str
    peak: float
    precision: str
    memory: int
    bandwidth: int


GPUS = {
    gpu.name: gpu
    for gpu in [
        Gpu("v100", "V100 SXM2", 15.7, "fp32", 32, 900),
        Gpu("t4", "T4", 8.1, "fp32", 16, 320),
        Gpu("rtx-3090", "GeForce RTX 3090", 71.0, "bf16", 24, 936),
        Gpu("rtx-4090", "GeForce RTX 4090", 165.2, "bf16", 24, 1008),
        Gpu("l4", "L4", 121.0, "bf16", 24, 300),
        Gpu("l40s", "L40S", 362.0, "bf16", 48, 864),
        Gpu("a100", "A100 SXM", 312.0, "bf16", 80, 2039),
        Gpu("h100", "H100 SXM", 989.4, "bf16", 80, 3350),
        Gpu("h200", "H200 SXM", 989.4, "bf16", 141, 4800),
    ]
}


def gpu_facts(name: str) -> Gpu:
    """The row of a GPU.

    Raises:
        StudyError: the table has no such GPU.
    """
    if name.lower() not in GPUS:
        raise StudyError(f"'{name}' is not a GPU of the table; {nearest(name, GPUS)}")
    return GPUS[name.lower()]
