"""Optimisers and schedules, as the protocols have them, BERTAdam of the released code included."""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup

from tcstudy.models.readers import layer_stack
from tcstudy.spec import OptimizationSpec, Protocol

BETAS = (0.9, 0.999)  # Sun et al. 2019, 5.2
EPS = 1e-6  # as BERT was trained, and the released BERTAdam


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction; each tensor's gradient clipped by itself; decay added to the update.

    For a tensor with gradient g, after g is scaled down to a norm of at most `clip_norm` (None leaves it as it is):

        m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
        w = w - rate * (m / (sqrt(v) + eps) + weight_decay * w)

    Without bias correction the first updates are about (1 - b1) / sqrt(1 - b2), three times, as long as Adam's
    (Zhang et al. 2021).
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
        weight_decay: float = 0.01,
        clip_norm: float | None = 1.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "clip_norm": clip_norm}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Make one update; closures are not used."""
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(weight), torch.zeros_like(weight)
                gradient = weight.grad
                if group["clip_norm"] is not None:
                    norm = torch.linalg.vector_norm(gradient)
                    gradient = gradient * (group["clip_norm"] / (norm + 1e-6)).clamp(max=1.0)
                state["m"].lerp_(gradient, 1 - first)
                state["v"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
                update = state["m"] / (state["v"].sqrt() + group["eps"])
                weight.sub_(group["lr"] * (update + group["weight_decay"] * weight))


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
            uncorrected = BertAdam(groups, rate, weight_decay=decay, clip_norm=None)
            return uncorrected, get_linear_schedule_with_warmup(uncorrected, warmup_steps, total_steps)
        case "bertadam":
            bertadam = BertAdam(groups, rate, weight_decay=decay, clip_norm=training.clip_norm)
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
