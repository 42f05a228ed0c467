"""Optimisers and schedules, as the protocols have them."""

import math
from typing import Literal

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup

from tcstudy.models.layers import layer_stack
from tcstudy.spec import OptimizationSpec, Protocol
from tcstudy.training.bertadam import BertAdam

BETAS = (0.9, 0.999)  # Sun et al. 2019, 5.2
EPS = 1e-6  # as BERT was trained, and the released BERTAdam


def parameter_groups(model: torch.nn.Module, training: OptimizationSpec) -> list[dict]:
    """Groups of equal rate and weight decay; every parameter that is trained is in exactly one.

    Matrices decay; biases and layer norms (the parameters of one dimension) do not. Each group says which parameters
    it holds in `param_names`, once the optimiser is made.
    """
    factors = rate_factors(model, training.layer_decay, training.embeddings)
    groups: dict[tuple[float, bool], list[tuple[str, torch.nn.Parameter]]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((factors[name], parameter.ndim > 1), []).append((name, parameter))
    return [
        {
            "params": named,
            "lr": training.learning_rate * factor,
            "weight_decay": training.weight_decay if matrix else 0.0,
        }
        for (factor, matrix), named in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


def rate_factors(model: torch.nn.Module, decay: float, embeddings: Literal["base", "bottom"]) -> dict[str, float]:
    """By what each parameter's rate is multiplied: eta(k-1) = xi eta(k) (Sun et al. 2019, 5.3.4).

    The top layer, the classifier and all else above the encoder have the base rate, layer k of L has xi^(L - 1 - k).
    The embeddings have the base rate, as in the released code, or xi^L, a layer below the lowest.
    """
    factors = dict.fromkeys((name for name, _ in model.named_parameters()), 1.0)
    if decay == 1.0:
        return factors
    layers = layer_stack(model.encoder)
    depth_of = {id(weight): depth for depth, layer in enumerate(layers) for weight in layer.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in depth_of:
            factors[name] = decay ** (len(layers) - 1 - depth_of[id(parameter)])
        elif "embeddings" in name and embeddings == "bottom":
            factors[name] = decay ** len(layers)
    return factors


def make_optimizer(
    model: torch.nn.Module, training: OptimizationSpec, protocol: Protocol, total_steps: int
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """The optimiser of a protocol and its schedule over `total_steps` updates."""
    groups = parameter_groups(model, training)
    rate, decay = training.learning_rate, training.weight_decay
    warmup_steps = math.ceil(training.warmup * total_steps)
    match protocol.optimizer:
        case "adamw":
            adamw = torch.optim.AdamW(groups, lr=rate, betas=BETAS, eps=EPS, fused=True)
            return adamw, get_linear_schedule_with_warmup(adamw, warmup_steps, total_steps)
        case "adamw without bias correction":
            uncorrected = BertAdam(groups, rate, BETAS, EPS, decay, clip_norm=None)
            return uncorrected, get_linear_schedule_with_warmup(uncorrected, warmup_steps, total_steps)
        case "bertadam":
            bertadam = BertAdam(groups, rate, BETAS, EPS, decay, training.clip_norm)
            return bertadam, LambdaLR(bertadam, lambda step: released_rate(step / total_steps, training.warmup))


def overall_clip_norm(training: OptimizationSpec, protocol: Protocol) -> float | None:
    """The bound of the gradient's norm over all parameters; None for BERTAdam, which clips each tensor by itself."""
    return None if protocol.optimizer == "bertadam" else training.clip_norm


def released_rate(progress: float, warmup: float) -> float:
    """The released schedule: rises to 1 during the warm-up, then jumps down to 1 - progress and falls to 0.

    >>> released_rate(0.05, 0.1), released_rate(0.1, 0.1)
    (0.5, 0.9)
    """
    return progress / warmup if progress < warmup else 1.0 - progress
