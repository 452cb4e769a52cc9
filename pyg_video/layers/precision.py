"""Autocast on every device, those that have none included."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Compute in the types of the tensors, whatever the surrounding autocast."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """The type that the surrounding autocast computes products of ``x`` in; ``None`` outside of one."""
    device = x.device.type
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return None
    return torch.get_autocast_dtype(device)
