"""The convolutional net of RSTG's released code for SyncMNIST."""

from collections.abc import Sequence

from torch import Tensor, nn

from .features import Stage


class PlainCNN(nn.Module):
    r"""Convolutions and max-poolings a frame, as RSTG's released code has them for SyncMNIST.

    Each stage is a 3 x 3 convolution without padding, a ReLU and a 2 x 2 max-pooling; 64 x 64 pixels become 6 x 6.

    Args:
        in_channels: channels of the video.
        channels: channels of each stage.

    Shapes:
        - **x:** frames :math:`(F, C, H, W)`
        - **output:** :math:`(F, C', H', W')`; every stage takes 2 from the sides and halves them, rounding down

    Example:
        >>> import torch
        >>> PlainCNN(1, (8, 8, 16))(torch.randn(2, 1, 64, 64)).shape
        torch.Size([2, 16, 6, 6])
    """

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = (512, 512, 512)) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"Expected 'channels' with a width for every stage (got {list(channels)})")
        self.in_channels = in_channels
        self.stages = nn.ModuleDict()
        info: list[Stage] = []
        for i, width in enumerate(channels):
            self.stages[f"stage{i + 1}"] = nn.Sequential(
                nn.Conv2d(in_channels, width, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)
            )
            in_channels = width
            info.append(Stage(f"stage{i + 1}", width, 2 ** (i + 1)))
        self.info = tuple(info)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages.values():
            x = stage(x)
        return x
