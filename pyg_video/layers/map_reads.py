"""Reads of a feature map: pooling and 1 x 1 convolutions as products of matrices.

A block reads its map several times. Autograd would write a whole map for the gradient of every read, and one more for
every sum. Within :func:`shared_map` a read also hands the map on, so that in the backward pass it receives the gradient
so far and adds its own in one pass, as a product of thin matrices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from .._checks import is_plain
from ..functional import pool
from .precision import autocast_dtype


class SharedMap:
    """A map :math:`(F, C, P)`, as the last read handed it on."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def has_values_of(self, x: Tensor) -> bool:
        """Whether ``x`` is the same map in another shape."""
        return x.data_ptr() == self.x.data_ptr() and x.numel() == self.x.numel() and x.is_contiguous()


_current: ContextVar[tuple[SharedMap, ...]] = ContextVar("shared_maps", default=())


@contextmanager
def shared_map(x: Tensor) -> Iterator[SharedMap]:
    """Share the map ``x``, :math:`(*, C, H, W)`, among the reads inside; continue with ``x`` of the result."""
    shared = SharedMap(x.flatten(-2).flatten(0, -3))
    if torch.compiler.is_compiling():  # which merges the sums itself
        yield shared
        return
    token = _current.set((*_current.get(), shared))
    try:
        yield shared
    finally:
        _current.reset(token)


def pool_map(x: Tensor, kernel: Tensor) -> Tensor:
    """:func:`~pyg_video.functional.pool` of maps :math:`(B, T, C, H, W)`."""
    shared = _shared(x)
    if shared is None:
        return pool(x, kernel)
    nodes, shared.x = _Read.apply(shared.x, kernel.flatten(-2).flatten(0, 1).to(x.dtype), None, True)
    return nodes.unflatten(0, x.shape[:2])


def is_pointwise(part: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a 1 x 1 convolution without hooks."""
    if not is_plain(part, nn.Conv2d):
        return False
    return (part.kernel_size, part.stride, part.padding, part.groups) == ((1, 1), (1, 1), (0, 0), 1)


def pointwise(part: nn.Module, x: Tensor) -> Tensor:
    """A 1 x 1 convolution of :math:`(F, C, H, W)`, in half the time on a CPU; any other module is called."""
    if x.device.type != "cpu" or not is_pointwise(part):
        y: Tensor = part(x)
        return y
    weight, bias, shared = part.weight.flatten(1).expand(x.size(0), -1, -1), part.bias, _shared(x)
    if shared is not None:
        y, shared.x = _Read.apply(shared.x, weight, bias, False)
    else:
        y = weight @ x.flatten(2) if bias is None else torch.baddbmm(bias[:, None], weight, x.flatten(2))
    return y.unflatten(-1, x.shape[2:])


def _shared(x: Tensor) -> SharedMap | None:
    """The shared map that ``x`` is, the outermost first, if it has a gradient."""
    maps = () if torch.compiler.is_compiling() else _current.get()
    if not maps or not x.requires_grad or not torch.is_grad_enabled() or x.device.type != "cpu":
        return None
    return next((shared for shared in maps if shared.has_values_of(x)), None) if autocast_dtype(x) is None else None


class _Read(torch.autograd.Function):
    """A product with channels, :math:`a x`, or with pixels, :math:`a x^\\top`; and the map itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, bias: Tensor | None, with_pixels: bool) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, a)
        ctx.with_pixels, ctx.has_bias = with_pixels, bias is not None
        ctx.set_materialize_grads(False)
        other = x.mT if with_pixels else x
        return a @ other if bias is None else torch.baddbmm(bias[:, None], a, other), x

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, so_far: Tensor | None) -> tuple[Tensor | None, ...]:
        x, a = ctx.saved_tensors
        if grad is None:
            return so_far, None, None, None
        thin = (grad.mT, a) if ctx.with_pixels else (a.mT, grad)
        d_x = thin[0] @ thin[1] if so_far is None else torch.baddbmm(so_far, *thin)
        d_a = grad @ (x if ctx.with_pixels else x.mT)
        return d_x, d_a, grad.sum(dim=(0, 2)) if ctx.has_bias else None, None
