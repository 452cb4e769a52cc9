"""1 x 1 convolutions as products of matrices, which take half the time on a CPU."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from .._checks import is_plain


def is_pointwise(part: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a 1 x 1 convolution without hooks."""
    if not is_plain(part, nn.Conv2d):
        return False
    return (part.kernel_size, part.stride, part.padding, part.groups) == ((1, 1), (1, 1), (0, 0), 1)


def pointwise(part: nn.Module, x: Tensor) -> Tensor:
    """A 1 x 1 convolution of :math:`(F, C, H, W)`; any other module is called."""
    if x.device.type != "cpu" or not is_pointwise(part):
        y: Tensor = part(x)
        return y
    weight, pixels = part.weight.flatten(1).expand(x.size(0), -1, -1), x.flatten(2)
    y = weight @ pixels if part.bias is None else torch.baddbmm(part.bias[:, None], weight, pixels)
    return y.unflatten(-1, x.shape[2:])
