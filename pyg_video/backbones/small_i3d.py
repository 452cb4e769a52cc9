"""A small net of convolutions over space and time: I3D at the size of the SyncMNIST experiments."""

from collections.abc import Sequence

from torch import nn

from .features import Stage
from .stages import StagedBackbone, VolumeStage
from .volume_conv import VolumeConv


class SmallI3D(StagedBackbone):
    r"""A few convolutions over space and time, each with batch normalisation, ReLU and a stride in space.

    It is :class:`~pyg_video.backbones.SmallCNN` whose kernels see several frames.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.
        strides: stride of each stage.
        kernel_time: frames that a kernel sees, an odd number.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T, C', H', W')`, :math:`H' = \lceil H / \prod strides \rceil`

    Example:
        >>> import torch
        >>> SmallI3D(1)(torch.randn(2, 6, 1, 64, 64)).shape
        torch.Size([2, 6, 32, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (16, 32, 32),
        strides: Sequence[int] = (2, 2, 1),
        *,
        kernel_time: int = 3,
    ) -> None:
        if len(channels) != len(strides) or not channels:
            raise ValueError(f"Expected as many 'channels' as 'strides' (got {list(channels)} and {list(strides)})")
        if kernel_time < 1 or kernel_time % 2 == 0:
            raise ValueError(f"Expected 'kernel_time' to be an odd number of frames (got {kernel_time})")
        stages: dict[str, nn.Module] = {}
        info: list[Stage] = []
        size, padding = (kernel_time, 3, 3), (kernel_time // 2, 1, 1)
        width, total_stride = in_channels, 1
        for i, (out, stride) in enumerate(zip(channels, strides, strict=True)):
            conv = VolumeConv(width, out, size, (1, stride, stride), padding, bias=False)
            stages[f"stage{i + 1}"] = VolumeStage(conv, nn.BatchNorm3d(out), nn.ReLU(inplace=True))
            width, total_stride = out, total_stride * stride
            info.append(Stage(f"stage{i + 1}", width, total_stride))
        super().__init__(in_channels, stages, info)
