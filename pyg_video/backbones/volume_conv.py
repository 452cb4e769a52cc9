"""A convolution over space and time whose gradients are right in bfloat16 on a CPU too."""

import torch
from torch import Tensor, nn


class VolumeConv(nn.Conv3d):
    """:class:`torch.nn.Conv3d`, in float32 where a CPU would take bfloat16.

    For kernels over several frames with a stride in space, oneDNN (as of torch 2.15) leaves parts of the weight's
    bfloat16 gradient unwritten: it has whatever was in memory, NaN at times. Other devices and types are as ever.

    Shapes:
        - **x:** :math:`(B, C, T, H, W)`
        - **output:** :math:`(B, C', T', H', W')`

    Example:
        >>> VolumeConv(3, 8, 3, padding=1)(torch.randn(1, 3, 4, 6, 6)).shape
        torch.Size([1, 8, 4, 6, 6])
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            dtype = torch.promote_types(self.weight.dtype, torch.float32)
            bias = None if self.bias is None else self.bias.to(dtype)
            return self._conv_forward(x.to(dtype), self.weight.to(dtype), bias).to(self.weight.dtype)
