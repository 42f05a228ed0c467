"""Dropout on a CPU with random numbers that cost little (docs/decisions/dropout.md)."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

_STEPS = 2**16  # probabilities are multiples of one part in so many


def kept(shape: Sequence[int], dropout: float) -> torch.Tensor:
    """What dropout keeps: booleans of a shape, each false with probability `dropout`, to the nearest 1/65,536.

    Each is cut from sixteen bits of a fast generator that is seeded from torch's, whose seed so decides it as ever.
    """
    number = math.prod(shape)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-number // 4))
    sixteen_bits = torch.from_numpy(words.view(np.int16)[:number]).view(*shape)
    return sixteen_bits >= round(dropout * _STEPS) - _STEPS // 2


class CheapDropout(nn.Dropout):
    """Dropout as torch's; on a CPU with cheap random numbers."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Entries of `input` zeroed with probability `p`, the others divided by 1 - p; as it is in evaluation."""
        if not self.training or not 0 < self.p < 1 or input.device.type != "cpu":
            return super().forward(input)
        return input * kept(input.shape, self.p).mul(1 / (1 - self.p))
