"""The end of a graph block: nodes to a normalized map, added to the block's input."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .precision import without_autocast


def add_normalized_map(
    x: Tensor | None,
    nodes: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    norm: nn.GroupNorm,
    *,
    num_frames: int = 1,
) -> Tensor:
    r"""Add the normalized map of some nodes, :math:`x + \mathrm{norm}(A^\top v + b)`, in one pass over the map.

    A norm over :math:`(C, P)` is affine in the map, so it is applied to the nodes. With :math:`v_n = \bar v_n + \tilde
    v_n`, the mean over the channels of a node and the rest, and :math:`q_p = \sum_n A_{np} \bar v_n`, the statistics
    need no map either:

    .. math:: \mu = \frac{1}{P} \sum_p q_p, \qquad \sigma^2 = \frac{1}{P} \sum_p (q_p - \mu)^2
        + \frac{1}{C P} \sum_{n, m} (A A^\top)_{nm} (\tilde v \tilde v^\top)_{nm}

    Args:
        x: the input of the block; ``None`` for the map alone.
        nodes: :math:`v`.
        kernel: :math:`A`.
        bias: :math:`b`, added to every pixel.
        norm: a norm with one group.
        num_frames: number of consecutive frames with joint statistics, the means of the above over them.

    Shapes:
        - **x**, **output:** :math:`(F, C, H, W)`
        - **nodes:** :math:`(F, N, C)`
        - **kernel:** :math:`(F, N, H, W)`
        - **bias:** :math:`(C)`
    """
    given, dtype = nodes.dtype, torch.promote_types(torch.promote_types(nodes.dtype, norm.weight.dtype), torch.float32)
    # Where nodes cancel each other, so do their products.
    exact = dtype if nodes.device.type == "mps" else torch.float64
    with without_autocast(nodes):
        # The bias is one more node, of all pixels.
        v = F.pad(nodes.to(dtype), (0, 0, 0, 1)) if bias is None else _append(nodes.to(dtype), bias)
        a = F.pad(kernel.flatten(2).to(dtype), (0, 0, 0, 1), value=1.0)  # [F, N + 1, P]
        mean_of_node = v.mean(dim=-1, keepdim=True)
        rest, q = v - mean_of_node, (mean_of_node.mT @ a)[:, 0]  # [F, P]
        of_kernel, of_nodes = ((y @ y.mT) for y in (a.to(exact), rest.to(exact)))
        spread = (of_kernel * of_nodes).sum(dim=(1, 2)).to(dtype) / (v.size(-1) * a.size(-1))
        q, spread = q.view(-1, num_frames * q.size(1)), spread.view(-1, num_frames).mean(dim=1)
        rstd = (q.var(dim=1, correction=0) + spread.clamp(min=0) + norm.eps).rsqrt()[:, None]
        scale = norm.weight * rstd
        shift = norm.bias - scale * q.mean(dim=1, keepdim=True)
        scale, shift = (y.repeat_interleave(num_frames, dim=0) for y in (scale, shift))  # [F, C]
        v = v * scale[:, None] + F.pad(shift[:, None], (0, 0, v.size(1) - 1, 0))
        if x is None:
            return (v.mT @ a).unflatten(-1, kernel.shape[2:]).to(given)
        return torch.baddbmm(x.flatten(2), v.mT.to(x.dtype), a.to(x.dtype)).view_as(x)


def _append(nodes: Tensor, bias: Tensor) -> Tensor:
    return torch.cat([nodes, bias.to(nodes.dtype).expand(nodes.size(0), 1, -1)], dim=1)
