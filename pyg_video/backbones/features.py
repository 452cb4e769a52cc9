"""What a backbone tells about itself."""

from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Stage(NamedTuple):
    """One stage of a backbone: its channels, and its stride against the input."""

    name: str
    channels: int
    stride: int


class VideoBackbone(Protocol):
    """Frames to feature maps, in stages between which graph blocks can go.

    ``stages[name]`` maps the folded frames :math:`(B T, C, H, W)` of the stage before to its own; ``info`` describes
    the stages in the same order.
    """

    in_channels: int
    info: tuple[Stage, ...]
    stages: nn.ModuleDict

    def __call__(self, x: Tensor) -> Tensor: ...
