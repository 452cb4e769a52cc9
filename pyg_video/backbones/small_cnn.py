"""The plain convolutional net of RSTG's SyncMNIST experiments, at any width."""

from collections.abc import Sequence

from torch import Tensor, nn

from .features import Stage


class SmallCNN(nn.Module):
    r"""A few 3 x 3 convolutions a frame, each with batch normalisation, ReLU and a stride.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.
        strides: stride of each stage.

    Shapes:
        - **x:** frames :math:`(F, C, H, W)`
        - **output:** :math:`(F, C', H', W')`, :math:`H' = \lceil H / \prod strides \rceil`

    Example:
        >>> import torch
        >>> SmallCNN(1)(torch.randn(2, 1, 40, 40)).shape
        torch.Size([2, 32, 10, 10])
    """

    def __init__(
        self, in_channels: int = 1, channels: Sequence[int] = (16, 32, 32), strides: Sequence[int] = (2, 2, 1)
    ) -> None:
        super().__init__()
        if len(channels) != len(strides) or not channels:
            raise ValueError(f"Expected as many 'channels' as 'strides' (got {list(channels)} and {list(strides)})")
        self.in_channels = in_channels
        self.stages = nn.ModuleDict()
        info: list[Stage] = []
        total_stride = 1
        for i, (width, stride) in enumerate(zip(channels, strides, strict=True)):
            conv = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
            self.stages[f"stage{i + 1}"] = nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            in_channels, total_stride = width, total_stride * stride
            info.append(Stage(f"stage{i + 1}", width, total_stride))
        self.info = tuple(info)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages.values():
            x = stage(x)
        return x
