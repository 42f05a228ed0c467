"""Optimisers and schedules, as the two protocols have them."""

import math

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup

from tcstudy.spec import Protocol, TrainingSpec
from tcstudy.training.bertadam import BertAdam

BETAS = (0.9, 0.999)  # Sun et al. 2019, 5.2
EPS = 1e-6  # as BERT was trained, and the released BERTAdam


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices decay; biases and layer norms (the parameters of one dimension) do not.

    Every parameter that is trained is in exactly one of them.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def make_optimizer(
    model: torch.nn.Module, training: TrainingSpec, protocol: Protocol, total_steps: int
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """The optimiser of a protocol and its schedule over `total_steps` updates."""
    groups = parameter_groups(model, training.weight_decay)
    warmup_steps = math.ceil(training.warmup * total_steps)
    if protocol.optimizer == "adamw":
        adamw = torch.optim.AdamW(groups, lr=training.learning_rate, betas=BETAS, eps=EPS, fused=True)
        return adamw, get_linear_schedule_with_warmup(adamw, warmup_steps, total_steps)
    bertadam = BertAdam(groups, training.learning_rate, BETAS, EPS, training.weight_decay, training.clip_norm)
    return bertadam, LambdaLR(bertadam, lambda step: released_rate(step / total_steps, training.warmup))


def released_rate(progress: float, warmup: float) -> float:
    """The released schedule: rises to 1 during the warm-up, then jumps down to 1 - progress and falls to 0.

    >>> released_rate(0.05, 0.1), released_rate(0.1, 0.1)
    (0.5, 0.9)
    """
    return progress / warmup if progress < warmup else 1.0 - progress
