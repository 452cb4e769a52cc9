"""The clip protocol, and the two geometric operations that the transforms are built from."""

from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from ..functional import box_edges


class Clip(Protocol):
    """A clip with label and boxes: any :class:`~typing.NamedTuple` with these three fields.

    Examples are :class:`~pyg_video.datasets.VideoClip` and :class:`~pyg_video.datasets.SyncClip`.

    Shapes:
        - **video:** :math:`(*, T, C, H, W)`
        - **label:** :math:`()`, int64
        - **box:** :math:`(*, T, N, 4)`, ``cxcywh`` in [0, 1], NaN where there is no box
    """

    @property
    def video(self) -> Tensor: ...
    @property
    def label(self) -> Tensor: ...
    @property
    def box(self) -> Tensor: ...
    def _replace(self, *, video: Tensor = ..., label: Tensor = ..., box: Tensor = ...) -> Self: ...


AnyClip = TypeVar("AnyClip", bound=Clip)


def resize(clip: AnyClip, height: int, width: int) -> AnyClip:
    """Resize all frames; boxes are fractions and do not change."""
    from torchvision.transforms.v2 import functional as F

    if clip.video.shape[-2:] == (height, width):
        return clip
    return clip._replace(video=F.resize(clip.video, [height, width], antialias=True))


def crop(clip: AnyClip, top: int, left: int, height: int, width: int) -> AnyClip:
    """Crop all frames; boxes are clipped to the crop, and NaN if nothing remains."""
    from torchvision.transforms.v2 import functional as F

    H, W = clip.video.shape[-2:]
    if not (0 <= top <= H - height and 0 <= left <= W - width and height > 0 < width):
        raise ValueError(f"Expected a crop inside frames of {H} x {W} (got {height} x {width} at {top}, {left})")
    edges = torch.stack(box_edges(clip.box), dim=-1) * clip.box.new_tensor([W, H, W, H])
    edges = (edges - clip.box.new_tensor([left, top, left, top])) / clip.box.new_tensor([width, height, width, height])
    low, high = edges.clamp(0, 1).split(2, dim=-1)
    seen = (high > low).all(-1, keepdim=True)
    box = torch.cat([(low + high) / 2, high - low], dim=-1).where(seen, torch.nan)
    return clip._replace(video=F.crop(clip.video, top, left, height, width), box=box)
