"""Description of backbones and their stages."""

from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Stage(NamedTuple):
    """One stage of a backbone: its channels, and its strides against the input, in pixels and in frames."""

    name: str
    channels: int
    stride: int
    time_stride: int = 1


class VideoBackbone(Protocol):
    """Frames to feature maps, in stages between which graph blocks can go.

    ``stages[name]`` maps the folded frames :math:`(B T, C, H, W)` of the stage before to its own. A stage with
    ``takes_clips = True`` maps clips :math:`(B, T, C, H, W)` instead. ``info`` describes the stages in the same order.
    """

    in_channels: int
    info: tuple[Stage, ...]
    stages: nn.ModuleDict

    def __call__(self, x: Tensor) -> Tensor: ...
