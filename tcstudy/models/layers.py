"""An encoder's layers, and how the states of several are joined (Sun et al. 2019, 5.3.2)."""

from typing import Literal

import torch
from transformers import PreTrainedModel

from tcstudy.errors import StudyError

Join = Literal["concat", "mean", "max"]


def layer_stack(encoder: PreTrainedModel) -> torch.nn.ModuleList:
    """The Transformer layers of an encoder, lowest first, wherever its family keeps them.

    Raises:
        StudyError: it has no single stack of them.
    """
    stacks = [
        module
        for module in encoder.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == encoder.config.num_hidden_layers
    ]
    if len(stacks) != 1:
        raise StudyError(f"{type(encoder).__name__} has no single stack of layers.")
    return stacks[0]


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
