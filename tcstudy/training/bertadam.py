"""BERTAdam, the optimiser of the released code, with what sets it apart from AdamW; its clipping can be left out."""

from collections.abc import Iterable
from typing import Any

import torch


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction; each tensor's gradient clipped by itself; decay added to the update.

    For a tensor with gradient g, after g is scaled down to a norm of at most `clip_norm` (None leaves it as it is):

        m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
        w = w - rate * (m / (sqrt(v) + eps) + weight_decay * w)

    Without bias correction the first updates are about (1 - b1) / sqrt(1 - b2), three times, as long as Adam's
    (Zhang et al. 2021).

    Args:
        params: parameter groups.
        lr: rate, changed by a schedule.
        betas: decay of the two moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled weight decay.
        clip_norm: bound of the norm of each tensor's gradient, or None.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
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
