"""Messages of all pairs of nodes, normalized and gathered without ever being written as a whole."""

from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK = 1 << 22  # values of the messages that are worked on at a time on a CPU


class PairMessages(NamedTuple):
    r"""The parameters of messages :math:`m_{ij} = \mathrm{ReLU}(W_2 \, \mathrm{ReLU}(s_j + r_i) + b_2)` and their norm.

    Attributes:
        weight: :math:`W_2`, :math:`(C, C)`; ``None`` where there is one layer, :math:`\mathrm{ReLU}(s_j + r_i)`.
        bias: :math:`b_2`.
        scale: :math:`\gamma` of the norm, :math:`(C)`; ``None`` for none.
        shift: :math:`\beta` of the norm.
        eps: added to the variance.
    """

    weight: Tensor | None = None
    bias: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None
    eps: float = 0.0


def gather_pairs(sent: Tensor, received: Tensor, alpha: Tensor, adj: Tensor | None, parameters: PairMessages) -> Tensor:
    r"""Normalize the messages of every frame and gather them: :math:`g_i = \sum_j \alpha_{ij} \mathrm{norm}(m)_{ij}`.

    The norm of a frame is affine in its messages, so they need not be normalized one by one:

    .. math:: g_i = \gamma \, r \Big(\sum_j \alpha_{ij} m_{ij} - \mu \sum_j \alpha_{ij}\Big)
        + \beta \sum_j \alpha_{ij}, \qquad r = (\sigma^2 + \epsilon)^{-1/2}

    with :math:`\mu, \sigma^2` over the pairs and channels of a frame. Nothing of the size of all messages is kept for
    the gradient, which computes them again. A second derivative is refused.

    Shapes:
        - **sent:** :math:`(F, N, C)`, what a node adds as the sender
        - **received:** :math:`(F, N, C)`, what it adds as the receiver
        - **alpha:** :math:`(F, N, N)`, receivers first
        - **adj:** pairs that count, :math:`(F, N, N)`, bool; ``alpha`` is 0 at the others
        - **output:** :math:`(F, N, C)`
    """
    given = sent.dtype
    tensors = [x for x in (sent, received, alpha, *parameters[:4]) if x is not None]
    dtype = reduce(torch.promote_types, (x.dtype for x in tensors), torch.float32)  # sums of many values
    sent, received, alpha = (x.to(dtype) for x in (sent, received, alpha))
    weight, bias, scale, shift = (x if x is None else x.to(dtype) for x in parameters[:4])
    parameters = PairMessages(weight, bias, scale, shift, parameters.eps)
    with torch.autocast(sent.device.type, enabled=False):
        if torch.compiler.is_compiling():
            y = _gathered(sent, received, alpha, adj, parameters)[0]
        else:
            y = _GatherPairs.apply(sent, received, alpha, adj, *parameters)
    return y.to(given)


class _Statistics(NamedTuple):
    """Of every frame, :math:`(F, 1, 1)`: mean, reciprocal deviation, number of values."""

    mean: Tensor
    rstd: Tensor
    num_values: Tensor


def _messages(sent: Tensor, received: Tensor, p: PairMessages) -> tuple[Tensor, Tensor]:
    """The first layer and the messages, :math:`(F, N, N, C)`, receivers first."""
    hidden = (sent[:, None] + received[:, :, None]).relu_()
    if p.weight is None:
        return hidden, hidden
    m = torch.addmm(p.bias, hidden.flatten(0, 2), p.weight.mT) if p.bias is not None else hidden @ p.weight.mT
    return hidden, m.relu_().view_as(hidden)


def _statistics(m: Tensor, adj: Tensor | None, eps: float) -> _Statistics:
    F, N, _, C = m.shape
    if adj is None:
        rows, count = m.flatten(1), m.new_full((F, 1), N * N * C)
        mean = rows.mean(dim=1, keepdim=True)
        square = torch.linalg.vector_norm(rows, dim=1, keepdim=True).square() / (N * N * C)
    else:
        present = adj[..., None].to(m.dtype)
        count = (adj.sum(dim=(1, 2)) * C).to(m.dtype)[:, None].clamp(min=1)
        kept = (m * present).flatten(1)
        mean = kept.sum(dim=1, keepdim=True) / count
        square = torch.linalg.vector_norm(kept, dim=1, keepdim=True).square() / count
    rstd = ((square - mean.square()).clamp(min=0) + eps).rsqrt()
    return _Statistics(mean[..., None], rstd[..., None], count[..., None])


def _gathered(
    sent: Tensor, received: Tensor, alpha: Tensor, adj: Tensor | None, p: PairMessages
) -> tuple[Tensor, Tensor, _Statistics | None]:
    """The output of :func:`gather_pairs`, the sum before the norm, and the norm's statistics."""
    m = _messages(sent, received, p)[1]
    total = (alpha[:, :, None] @ m)[:, :, 0]  # [F, N, C]
    if p.scale is None:
        return total, total, None
    statistics = _statistics(m, adj, p.eps)
    weight = alpha.sum(dim=-1, keepdim=True)
    y = (total - statistics.mean * weight) * (statistics.rstd * p.scale)
    return (y if p.shift is None else y + weight * p.shift), total, statistics


class _GatherPairs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sent: Tensor, received: Tensor, alpha: Tensor, adj: Tensor | None, *parameters: Any
    ) -> Tensor:
        p = PairMessages(*parameters)
        parts = [
            _gathered(sent[at], received[at], alpha[at], None if adj is None else adj[at], p) for at in _chunks(sent)
        ]
        total = torch.cat([part[1] for part in parts])
        statistics = [torch.cat(column) for column in zip(*(part[2] or () for part in parts), strict=True)]
        ctx.save_for_backward(sent, received, alpha, adj, *p[:4], total, *statistics)
        ctx.eps = p.eps
        return torch.cat([part[0] for part in parts])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        sent, received, alpha, adj, weight, bias, scale, shift, total, *joint = ctx.saved_tensors
        p = PairMessages(weight, bias, scale, shift, ctx.eps)
        grads = []
        with torch.autocast(grad.device.type, enabled=False):
            for at in _chunks(sent):
                ends = sent[at], received[at], alpha[at], None if adj is None else adj[at]
                statistics = _Statistics(*(column[at] for column in joint)) if joint else None
                grads.append(_gradients(grad[at], *ends, p, total[at], statistics))
        per_frame = [torch.cat(column) for column in zip(*(part[:3] for part in grads), strict=True)]
        summed = [
            None if column[0] is None else sum(column) for column in zip(*(part[3:] for part in grads), strict=True)
        ]
        return (*per_frame, None, *summed, None)


def _gradients(
    grad: Tensor,
    sent: Tensor,
    received: Tensor,
    alpha: Tensor,
    adj: Tensor | None,
    p: PairMessages,
    total: Tensor,
    statistics: _Statistics | None,
) -> tuple[Any, ...]:
    """Gradients of sent, received and alpha; of weight, bias, scale and shift."""
    hidden, m = _messages(sent, received, p)
    d_scale = d_shift = d_weight = d_bias = None
    if statistics is None:
        d_m, d_alpha = alpha[..., None] * grad[:, :, None], (m @ grad[..., None])[..., 0]
    else:
        d_m, d_alpha, d_scale, d_shift = _through_norm(grad, m, alpha, adj, p, total, statistics)
    d_m = _through_relu(d_m, m)
    if p.weight is not None:
        rows = d_m.flatten(0, 2)
        d_weight = rows.mT @ hidden.flatten(0, 2)
        d_bias = None if p.bias is None else rows.sum(dim=0)
        d_m = _through_relu((rows @ p.weight).view_as(m), hidden)
    return d_m.sum(dim=1), d_m.sum(dim=2), d_alpha, d_weight, d_bias, d_scale, d_shift


def _through_norm(
    grad: Tensor,
    m: Tensor,
    alpha: Tensor,
    adj: Tensor | None,
    p: PairMessages,
    total: Tensor,
    statistics: _Statistics,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Gradients of the messages, alpha, scale and shift."""
    assert p.scale is not None
    mean, rstd, num_values = statistics
    weight = alpha.sum(dim=-1, keepdim=True)
    centred = total - mean * weight
    d_scale, d_shift = (grad * centred * rstd).sum(dim=(0, 1)), None
    d_total = grad * (rstd * p.scale)
    d_sum = -d_total * mean
    if p.shift is not None:
        d_shift, d_sum = (grad * weight).sum(dim=(0, 1)), d_sum.addcmul_(grad, p.shift)
    d_alpha = (m @ d_total[..., None])[..., 0] + d_sum.sum(dim=-1, keepdim=True)
    d_mean = -(d_total * weight).sum(dim=(1, 2), keepdim=True)
    d_var = -0.5 * rstd.square() * (d_total * centred).sum(dim=(1, 2), keepdim=True)
    # Of every message that counts: from the mean and the variance, then from the sum.
    d_m = torch.addcmul(((d_mean - 2 * mean * d_var) / num_values)[..., None], m, (2 * d_var / num_values)[..., None])
    if adj is not None:
        d_m.mul_(adj[..., None])
    return d_m.addcmul_(alpha[..., None], d_total[:, :, None]), d_alpha, d_scale, d_shift


def _through_relu(grad: Tensor, output: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _chunks(sent: Tensor) -> list[slice]:
    """Frames that are worked on at a time: a few on a CPU, all of them on other devices."""
    F, N, C = sent.shape
    size = F if sent.device.type != "cpu" else max(1, _CHUNK // (N * N * C))
    return [slice(first, first + size) for first in range(0, F, size)]
