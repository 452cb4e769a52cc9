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

_VIEWS = ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0")


class SharedMap:
    """A map :math:`(F, C, P)`, as the last read handed it on."""

    def __init__(self, x: Tensor) -> None:
        self.entry, self.x = x, x.flatten(-2).flatten(0, -3)

    def is_seen_as(self, x: Tensor) -> bool:
        """Whether ``x`` is the map as it came, with nothing but views in between, in a shape of the same pixels."""
        same = x.shape[-3] == self.x.size(1) and x.shape[-2:].numel() == self.x.size(2)
        if not (same and x.is_contiguous() and self.entry.is_contiguous()) or x._backward_hooks:
            return False
        node = x.grad_fn
        while node is not None and node is not self.entry.grad_fn and node.name() in _VIEWS:
            node = node.next_functions[0][0]
        return x is self.entry or (
            node is not None and (node is self.entry.grad_fn or getattr(node, "variable", None) is self.entry)
        )


_current: ContextVar[tuple[SharedMap, ...]] = ContextVar("shared_maps", default=())


@contextmanager
def shared_map(x: Tensor) -> Iterator[SharedMap]:
    """Share the map ``x``, :math:`(*, C, H, W)`, among the reads inside; continue with ``x`` of the result."""
    shared = SharedMap(x)
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
    if not _is_read(x):
        return pool(x, kernel)
    return _read(x, kernel.flatten(-2).flatten(0, 1).to(x.dtype), None, True).unflatten(0, x.shape[:2])


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
    weight, bias = part.weight.flatten(1).expand(x.size(0), -1, -1), part.bias
    if _is_read(x):
        y = _read(x, weight, bias, False)
    else:
        y = weight @ x.flatten(2) if bias is None else torch.baddbmm(bias[:, None], weight, x.flatten(2))
    return y.unflatten(-1, x.shape[2:])


def _is_read(x: Tensor) -> bool:
    learns = torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()
    return learns and x.device.type == "cpu" and autocast_dtype(x) is None


def _read(x: Tensor, a: Tensor, bias: Tensor | None, with_pixels: bool) -> Tensor:
    """A read of the shared map that ``x`` is, the outermost first, or of ``x`` alone."""
    shared = next((shared for shared in _current.get() if shared.is_seen_as(x)), SharedMap(x))
    y: Tensor
    y, shared.x = _Read.apply(shared.x, a, bias, with_pixels)
    return y


class _Read(torch.autograd.Function):
    """A product with channels, :math:`a x`, or with pixels, :math:`a x^\\top`; and the map itself."""

    @staticmethod
    def forward(x: Tensor, a: Tensor, bias: Tensor | None, with_pixels: bool) -> tuple[Tensor, Tensor]:
        other = x.mT if with_pixels else x
        return a @ other if bias is None else torch.baddbmm(bias[:, None], a, other), x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ARG004
        x, a, bias, ctx.with_pixels = inputs
        ctx.save_for_backward(x, a)
        ctx.has_bias = bias is not None
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, so_far: Tensor | None) -> tuple[Tensor | None, ...]:
        x, a = ctx.saved_tensors
        if grad is None:
            return so_far, None, None, None
        thin = (grad.mT, a) if ctx.with_pixels else (a.mT, grad)
        d_x = thin[0] @ thin[1] if so_far is None else torch.baddbmm(so_far, *thin)
        d_a = grad @ (x if ctx.with_pixels else x.mT)
        return d_x, d_a, grad.sum(dim=(0, 2)) if ctx.has_bias else None, None
