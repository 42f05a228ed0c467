"""Which layers' `[CLS]` states the classifier reads, and how several are joined (Sun et al. 2019, 5.3.2)."""

from typing import Literal

import torch

Join = Literal["concat", "mean", "max"]


def join_layers(states: list[torch.Tensor], how: Join) -> torch.Tensor:
    """Join the `[CLS]` states of several layers.

    Args:
        states: one tensor of shape (rows, width) for each layer.
        how: concat gives shape (rows, layers * width), mean and max give (rows, width).
    """
    if how == "concat":
        return torch.cat(states, dim=-1)
    stacked = torch.stack(states)  # (layers, rows, width)
    return stacked.mean(dim=0) if how == "mean" else stacked.amax(dim=0)


def joined_width(width: int, layers: int, how: Join) -> int:
    """Size of the joined state of `layers` layers of `width`."""
    return width * layers if how == "concat" else width
