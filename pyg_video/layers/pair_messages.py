"""Messages of all pairs of nodes, normalized and gathered without ever being written as a whole."""

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, library, nn
from torch.utils.flop_counter import register_flop_formula

from .pairs import pairs_of
from .precision import without_autocast

_CHUNK = 1 << 18  # values of the messages that are worked on at a time on a CPU, so that they stay in its cache


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
    of_messages: dict[str, Any] = {
        name: x.to(dtype) for name, x in parameters._asdict().items() if isinstance(x, Tensor)
    }
    parameters = parameters._replace(**of_messages)
    if torch.compiler.is_exporting():  # for programs that run without this package
        return _gather_plainly(sent, received, alpha, adj, parameters).to(given)
    return _gather_pairs(sent, received, alpha, adj, *parameters)[0].to(given)


def _gather_plainly(
    sent: Tensor, received: Tensor, alpha: Tensor, adj: Tensor | None, parameters: PairMessages
) -> Tensor:
    """The same by operators of torch alone."""
    weight, bias, scale, shift, eps = parameters
    m = (sent[:, None] + received[:, :, None]).relu()  # [F, N, N, C], receivers first
    m = m if weight is None else nn.functional.linear(m, weight, bias).relu()
    if scale is not None:
        counts = m.new_ones(1) if adj is None else adj[..., None].to(m.dtype)
        num_values = _num_values(sent, adj)[:, None, None, None]
        centred = m - (m * counts).sum(dim=(1, 2, 3), keepdim=True) / num_values
        variance = (centred.square() * counts).sum(dim=(1, 2, 3), keepdim=True) / num_values
        m = centred * (variance + eps).rsqrt() * scale
        m = m if shift is None else m + shift
    return (alpha[:, :, None] @ m)[:, :, 0]


@library.custom_op("pyg_video::gather_pairs", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _gather_pairs(
    sent: Tensor,
    received: Tensor,
    alpha: Tensor,
    adj: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    scale: Tensor | None,
    shift: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The output; what is gathered before the norm; the norm's mean and reciprocal deviation, :math:`(2, F)`."""
    total = torch.empty_like(sent)
    mean, square = sent.new_zeros(2, sent.size(0))
    with without_autocast(sent):
        pairs = pairs_of(alpha, adj)
        for at, buffers in _chunks(sent, pairs.shape, 1 if weight is None else 2):
            _, m = _messages(pairs.add(sent[at], received[at], buffers[0]), weight, bias, buffers)
            pairs.gather(at, m, total[at])
            if scale is not None:
                kept = pairs.only_present(at, m)
                torch.sum(kept.flatten(1), dim=1, out=mean[at])
                torch.linalg.vector_norm(kept.flatten(1), dim=1, out=square[at])
        num_values = _num_values(sent, adj)
        mean /= num_values
        rstd = ((square.square() / num_values - mean.square()).clamp_(min=0) + eps).rsqrt()
        if scale is None:
            return total.clone(), total, torch.stack([mean, rstd])
        weights = alpha.sum(dim=-1, keepdim=True)
        y = (total - mean[:, None, None] * weights) * (rstd[:, None, None] * scale)
        return y if shift is None else y.addcmul_(weights, shift), total, torch.stack([mean, rstd])


@_gather_pairs.register_fake
def _(sent: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(sent), torch.empty_like(sent), sent.new_empty(2, sent.size(0))


@library.custom_op("pyg_video::gather_pairs_backward", mutates_args=(), tags=(torch.Tag.flexible_layout,))
def _gather_pairs_backward(
    grad: Tensor,
    total: Tensor,
    statistics: Tensor,
    sent: Tensor,
    received: Tensor,
    alpha: Tensor,
    adj: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of sent, received and alpha; of weight, bias, scale and shift, empty for those that are missing."""
    d_sent, d_received, d_alpha = torch.empty_like(sent), torch.empty_like(received), torch.empty_like(alpha)
    d_weight, d_bias = (sent.new_zeros(0 if x is None else x.shape) for x in (weight, bias))
    with without_autocast(sent):
        d_total, of_norm = grad, None
        if scale is not None:
            of_norm = _through_norm(grad, alpha, adj, scale, shift, total, statistics)
            d_total = of_norm.total
        pairs = pairs_of(alpha, adj)
        for at, (*buffers, d_m) in _chunks(sent, pairs.shape, 2 if weight is None else 3):
            hidden, m = _messages(pairs.add(sent[at], received[at], buffers[0]), weight, bias, buffers)
            pairs.to_alpha(m, d_total[at], d_alpha[at])
            if of_norm is None:
                d_m.zero_()
            else:
                slope, constant = (x[at].view(-1, *(1,) * (m.dim() - 1)) for x in (of_norm.slope, of_norm.constant))
                d_m = pairs.only_present(at, torch.mul(m, slope, out=d_m).add_(constant))
            d_m = _through_relu(pairs.spread(at, d_total[at], d_m), m)
            if weight is not None:
                rows = d_m.flatten(0, -2)
                d_weight.addmm_(rows.mT, hidden.flatten(0, -2))
                if bias is not None:
                    d_bias += rows.sum(dim=0)
                d_m = _through_relu(torch.mm(rows, weight, out=m.view_as(rows)).view_as(hidden), hidden)
            pairs.to_ends(d_m, d_sent[at], d_received[at])
        if of_norm is None:
            return d_sent, d_received, d_alpha, d_weight, d_bias, grad.new_empty(0), grad.new_empty(0)
        return d_sent, d_received, d_alpha.add_(of_norm.weights), d_weight, d_bias, of_norm.scale, of_norm.shift


@_gather_pairs_backward.register_fake
def _(*args: Any) -> tuple[Tensor, ...]:
    sent, received, alpha, _, *parameters = args[3:]
    of_parameters = (sent.new_empty(0 if x is None else x.shape) for x in parameters)
    return torch.empty_like(sent), torch.empty_like(received), torch.empty_like(alpha), *of_parameters


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*output[1:], *inputs[:-1])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # else autograd writes zeros for these as well


def _gradients(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 9
    *of_ends, weight, bias, scale, shift = _gather_pairs_backward(grad.contiguous(), *ctx.saved_tensors)
    of_parameters = zip((weight, bias, scale, shift), ctx.saved_tensors[-4:], strict=True)
    return *of_ends, None, *(None if x is None else d for d, x in of_parameters), None


library.register_autograd(_gather_pairs, _gradients, setup_context=_keep)


@register_flop_formula(torch.ops.pyg_video.gather_pairs)
def _flops(sent: Sequence[int], *others: Any, out_shape: object = None) -> int:  # noqa: ARG001
    """Of the second layer of the messages, if there is one, for all pairs; sums over neighbours do not count."""
    weight = others[3]
    return 0 if weight is None else 2 * sent[0] * sent[1] ** 2 * math.prod(weight)


@register_flop_formula(torch.ops.pyg_video.gather_pairs_backward)
def _backward_flops(grad: Sequence[int], *others: Any, out_shape: object = None) -> int:  # noqa: ARG001
    return 3 * _flops(grad, *others[3:])


def _messages(ends: Tensor, weight: Tensor | None, bias: Tensor | None, buffers: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The first layer and the messages, in the buffers."""
    hidden = ends.relu_()
    if weight is None:
        return hidden, hidden
    m = torch.mm(hidden.flatten(0, -2), weight.mT, out=buffers[1].flatten(0, -2))
    return hidden, (m if bias is None else m.add_(bias)).relu_().view_as(hidden)


class _NormGradient(NamedTuple):
    """What the norm gives to the gradients.

    Attributes:
        total: gradient of what is gathered, :math:`(F, N, C)`.
        constant: with ``slope`` times the message, what statistics add to a message's gradient, :math:`(F, 1, 1)`.
        slope: see ``constant``.
        weights: gradient of the sum of a node's ``alpha``, :math:`(F, N, 1)`.
        scale: gradient of the scale.
        shift: gradient of the shift.
    """

    total: Tensor
    constant: Tensor
    slope: Tensor
    weights: Tensor
    scale: Tensor
    shift: Tensor


def _through_norm(
    grad: Tensor,
    alpha: Tensor,
    adj: Tensor | None,
    scale: Tensor,
    shift: Tensor | None,
    total: Tensor,
    statistics: Tensor,
) -> _NormGradient:
    mean, rstd = statistics[..., None, None]
    num_values = _num_values(total, adj)[:, None, None]
    weights = alpha.sum(dim=-1, keepdim=True)
    centred = total - mean * weights
    d_scale, d_shift = (grad * centred).mul_(rstd).sum(dim=(0, 1)), grad.new_empty(0)
    d_total = grad * (rstd * scale)
    d_weights = (-d_total * mean).sum(dim=-1, keepdim=True)
    if shift is not None:
        d_shift = (grad * weights).sum(dim=(0, 1))
        d_weights += (grad @ shift)[..., None]
    d_mean = -(d_total * weights).sum(dim=(1, 2), keepdim=True)
    d_var = -0.5 * rstd.square() * (d_total * centred).sum(dim=(1, 2), keepdim=True)
    constant, slope = (d_mean - 2 * mean * d_var) / num_values, 2 * d_var / num_values
    return _NormGradient(d_total, constant, slope, d_weights, d_scale, d_shift)


def _num_values(x: Tensor, adj: Tensor | None) -> Tensor:
    """Number of values of the messages that count in a frame, :math:`(F)`."""
    F, N, C = x.shape
    return x.new_full((F,), N * N * C) if adj is None else (adj.sum(dim=(1, 2)).clamp(min=1) * C).to(x.dtype)


def _through_relu(grad: Tensor, output: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _chunks(sent: Tensor, pairs: tuple[int, ...], num_buffers: int) -> Iterator[tuple[slice, list[Tensor]]]:
    """Frames that are worked on at a time, with memory for their messages: a few on a CPU, all on other devices."""
    F, _, C = sent.shape
    size = max(1, F if sent.device.type != "cpu" else min(F, _CHUNK // max(1, math.prod(pairs) * C)))
    buffers = [sent.new_empty(size, *pairs, C) for _ in range(num_buffers)]
    for first in range(0, F, size):
        yield slice(first, first + size), [buffer[: F - first] for buffer in buffers]
