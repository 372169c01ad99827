"""The language-model head and its cross-entropy in one, a part at a time.

The logits of a vocabulary of 150,000 words take more memory than all else of a step. Here no more
than a part of them is ever there: forward computes a part's loss and, at once, its gradient, so
that backward has nothing to compute again (as in Hsu et al., "Liger Kernel", arXiv 2410.10989).
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Logits of a part, 128 MB in float32; of a GPU 1 GB: small parts make small products, and the
# gradient of the head's matrix is added up once a part.
PART, PART_ON_GPU = 1 << 25, 1 << 28


def fused_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    part: int = 0,
) -> torch.Tensor:
    """Cross-entropy of `hidden @ weight.T + bias` and `targets`, summed, float32.

    `hidden` is [n, size], `weight` [words, size], `targets` [n]. Products are in the number format
    of autocast, or of `hidden`; the sum of exponentials is in float32. `part` is how many logits
    are computed at once; 0: by the device.
    """
    part = part or (PART_ON_GPU if hidden.device.type == "cuda" else PART)
    found: torch.Tensor = FusedCrossEntropy.apply(hidden, weight, bias, targets, part)  # type: ignore[no-untyped-call]
    return found


class FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        part: int,
    ) -> torch.Tensor:
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        wants = ctx.needs_input_grad
        towards_hidden = torch.empty_like(hidden) if wants[0] else None
        towards_weight = torch.zeros_like(weight, dtype=torch.float32) if wants[1] else None
        towards_bias = torch.zeros(len(weight), device=weight.device) if wants[2] else None
        total = torch.zeros((), device=hidden.device)
        rows = max(1, part // len(weight))
        with torch.autocast(kind, enabled=False):
            for start in range(0, len(hidden), rows):
                stop = start + rows
                states, words = hidden[start:stop], targets[start:stop, None]
                logits = functional.linear(states, weight).float()
                if bias is not None:
                    logits += bias.float()
                logsum = logits.logsumexp(1, keepdim=True)
                total += (logsum - logits.gather(1, words)).sum()
                if not any(wants[:3]):
                    continue
                slope = logits.sub_(logsum).exp_()  # the probabilities
                slope.scatter_add_(1, words, slope.new_full(words.shape, -1.0))
                if towards_bias is not None:
                    towards_bias += slope.sum(0)
                slope = slope.to(dtype)
                if towards_hidden is not None:
                    towards_hidden[start:stop] = slope @ weight
                if towards_weight is not None:
                    towards_weight += slope.T @ states
        ctx.save_for_backward(towards_hidden, towards_weight, towards_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = [
            None if one is None else (one * gradient).to(dtype)
            for one, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return (*found, None, None)
