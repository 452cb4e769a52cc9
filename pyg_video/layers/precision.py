"""Autocast on every device, those that have none included."""

import functools
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Compute in the types of the tensors, whatever the surrounding autocast."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if _has_autocast(device) else nullcontext()


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """The type that the surrounding autocast computes products of ``x`` in; ``None`` outside of one, or for float64."""
    device = x.device.type
    if x.dtype == torch.float64 or not (_has_autocast(device) and torch.is_autocast_enabled(device)):
        return None
    return torch.get_autocast_dtype(device)


def autocast_is_slow(x: Tensor) -> bool:
    """Whether products under autocast take several times as long as in float32: on a CPU without bfloat16."""
    return x.device.type == "cpu" and autocast_dtype(x) is not None and not _has_bfloat16()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _has_autocast(device: str) -> bool:
    return torch.amp.is_autocast_available(device)


@functools.cache
def _has_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
