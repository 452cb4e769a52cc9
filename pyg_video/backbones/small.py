"""The small convolutional nets of the SyncMNIST experiments."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import mul

from torch import nn

from .background import MedianDifference
from .features import Stage
from .stages import StagedBackbone, VolumeStage
from .volume_conv import VolumeConv


class SmallCNN(StagedBackbone):
    r"""3 x 3 convolutions on every frame, each followed by batch normalisation and ReLU.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.
        strides: stride of each stage.
        subtract_background: begin with a stage ``"background"``, a :class:`~pyg_video.backbones.MedianDifference`.

    Shapes:
        - **x:** clips :math:`(B, T, C, H, W)` or, without a background stage, frames :math:`(F, C, H, W)`
        - **output:** :math:`(B, T, C', H', W')` or :math:`(F, C', H', W')`,
          :math:`H' = \lceil H / \prod strides \rceil`

    Example:
        >>> import torch
        >>> SmallCNN(1)(torch.randn(2, 1, 40, 40)).shape
        torch.Size([2, 32, 10, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (16, 32, 32),
        strides: Sequence[int] = (2, 2, 1),
        *,
        subtract_background: bool = False,
    ) -> None:
        super().__init__(
            in_channels, *_stages(in_channels, channels, strides, _flat, subtract_background=subtract_background)
        )


class SmallI3D(StagedBackbone):
    r""":class:`~pyg_video.backbones.SmallCNN` with kernels over several frames and strides in space.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.
        strides: stride of each stage.
        kernel_time: frames covered by a kernel, an odd number; or one for each stage, where stages with 1 are those of
            :class:`~pyg_video.backbones.SmallCNN`.
        subtract_background: see there.

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
        kernel_time: int | Sequence[int] = 3,
        subtract_background: bool = False,
    ) -> None:
        times = (kernel_time,) * len(channels) if isinstance(kernel_time, int) else tuple(kernel_time)
        if len(times) != len(channels) or not all(time > 0 and time % 2 for time in times):
            raise ValueError(
                f"Expected 'kernel_time' to be an odd number of frames, or one for each of {len(channels)} stages "
                f"(got {kernel_time})"
            )

        def stage(before: int, after: int, stride: int, time: int) -> nn.Module:
            if time == 1:
                return _flat(before, after, stride)
            conv = VolumeConv(before, after, (time, 3, 3), (1, stride, stride), (time // 2, 1, 1), bias=False)
            return VolumeStage(conv, nn.BatchNorm3d(after), nn.ReLU(inplace=True))

        stages = _stages(in_channels, channels, strides, stage, times, subtract_background=subtract_background)
        super().__init__(in_channels, *stages)


class PlainCNN(StagedBackbone):
    r"""Convolutions and max-poolings on every frame, as RSTG's released code has them for SyncMNIST.

    Each stage is a 3 x 3 convolution without padding, a ReLU and a 2 x 2 max-pooling; 64 x 64 pixels become 6 x 6.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.

    Shapes:
        - **x:** clips :math:`(B, T, C, H, W)` or frames :math:`(F, C, H, W)`
        - **output:** :math:`(B, T, C', H', W')` or :math:`(F, C', H', W')`; every stage takes 2 from height and width
          and halves them, rounding down

    Example:
        >>> import torch
        >>> PlainCNN(1, (8, 8, 16))(torch.randn(2, 1, 64, 64)).shape
        torch.Size([2, 16, 6, 6])
    """

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = (512, 512, 512)) -> None:
        def stage(before: int, after: int, stride: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(before, after, 3), nn.ReLU(inplace=True), nn.MaxPool2d(stride))

        super().__init__(in_channels, *_stages(in_channels, channels, (2,) * len(channels), stage))


def _flat(before: int, after: int, stride: int) -> nn.Module:
    """A stage on frames."""
    conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def _stages(
    in_channels: int,
    channels: Sequence[int],
    strides: Sequence[int],
    make: Callable[..., nn.Module],
    *options: Sequence[int],
    subtract_background: bool = False,
) -> tuple[dict[str, nn.Module], list[Stage]]:
    """The stages ``"stage1"``, ``"stage2"``, ... with their strides relative to the input.

    Each is made from channels before and after it, its stride, and its value in each of ``options``.
    """
    if not channels or len(channels) != len(strides) or min(*channels, *strides) < 1:
        raise ValueError(
            f"Expected one width in 'channels' and one stride in 'strides' for every stage, all at least 1 "
            f"(got {list(channels)} and {list(strides)})"
        )
    names = [f"stage{i}" for i in range(1, len(channels) + 1)]
    info = list(map(Stage, names, channels, accumulate(strides, mul)))
    stages = dict(zip(names, map(make, (in_channels, *channels), channels, strides, *options), strict=True))
    if subtract_background:
        return {"background": MedianDifference(), **stages}, [Stage("background", in_channels, 1), *info]
    return stages, info
