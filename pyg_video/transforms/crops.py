"""Crops and resizing, the same for all frames of a clip."""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Generator

from .clip import AnyClip, crop, resize

TSM_SCALES = (1, 0.875, 0.75, 0.66)  # of the crops in training


class _ToSize:
    """A transform whose only option is a size in pixels."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"Expected 'size' of at least 1 pixel (got {size})")
        self.size = size

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"


class ShortSide(_ToSize):
    """Resize the shorter side of the frames to a given length, bilinear with antialiasing.

    Args:
        size: length of the shorter side, in pixels.
    """

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        if H < W:
            return resize(clip, self.size, int(self.size * W / H))
        return resize(clip, int(self.size * H / W), self.size)


class CentreCrop(_ToSize):
    """Square crop at the centre of the frames.

    Args:
        size: side of the square, in pixels.

    Raises:
        ValueError: the frames are smaller than the square.
    """

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        return crop(clip, round((H - self.size) / 2), round((W - self.size) / 2), self.size, self.size)


class MultiScaleCrop(_ToSize):
    r"""Random crop resized to a square, as in TSN and TSM.

    Height and width are the shorter side of the frames times one of the scales each, at most ``max_distort`` positions
    apart in their list. With ``fix_crop`` the crop is at one of thirteen positions: the corners, the middles of the
    sides, the centre, and the points halfway from it to the corners; otherwise anywhere.

    Args:
        size: side of the square, in pixels. Crops that differ from it by less than three pixels have this size.
        scales: fractions of the shorter side, in descending order.
        max_distort: maximum distance between the scales of height and width.
        fix_crop: restrict crops to the thirteen positions.

    Example:
        >>> from pyg_video.datasets import VideoClip
        >>> clip = VideoClip(torch.rand(8, 3, 48, 64), torch.tensor(0), torch.tensor(0), torch.rand(8, 2, 4))
        >>> MultiScaleCrop(32)(clip, torch.Generator().manual_seed(0)).video.shape
        torch.Size([8, 3, 32, 32])
    """

    def __init__(
        self,
        size: int,
        scales: Sequence[float] = TSM_SCALES,
        *,
        max_distort: int = 1,
        fix_crop: bool = True,
    ) -> None:
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ValueError(f"Expected 'scales' above 0 and at most 1 (got {list(scales)})")
        super().__init__(size)
        self.scales, self.max_distort, self.fix_crop = tuple(scales), max_distort, fix_crop

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:
        H, W = clip.video.shape[-2:]
        height, width = _choice(self.sizes(min(H, W)), generator)
        if self.fix_crop:
            row, column = _choice(_PLACES, generator)
            top, left = row * ((H - height) // 4), column * ((W - width) // 4)
        else:
            top, left = _below(H - height + 1, generator), _below(W - width + 1, generator)
        return resize(crop(clip, top, left, height, width), self.size, self.size)

    def sizes(self, side: int) -> list[tuple[int, int]]:
        """Possible heights and widths of the crop for frames whose shorter side is ``side``."""
        lengths = [int(side * scale) for scale in self.scales]
        # Not beyond the frames: the published code pads by up to two black pixels there.
        lengths = [min(self.size, side) if abs(length - self.size) < 3 else length for length in lengths]
        pairs = product(enumerate(lengths), repeat=2)
        return [(height, width) for (i, height), (j, width) in pairs if abs(i - j) <= self.max_distort]

    def __repr__(self) -> str:
        return f"MultiScaleCrop({self.size}, scales={self.scales})"


class ThreeCrops(_ToSize):
    """Three square crops along the longer side, at its start, end and middle, as tested in the papers.

    The crops form a leading dimension of views in ``video`` and ``box``; with several clips per video, the three crops
    of a clip are adjacent.

    Args:
        size: side of the squares, in pixels; usually the shorter side of the frames.

    Shapes:
        - **video:** :math:`(T, C, H, W)` or, with several clips, :math:`(S, T, C, H, W)`
        - **output:** its video is :math:`(3, T, C, size, size)` or :math:`(3S, T, C, size, size)`
    """

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        top, left = (H - self.size) // 4, (W - self.size) // 4
        steps = [(2, 0), (2, 4), (2, 2)] if W >= H else [(0, 2), (4, 2), (2, 2)]
        parts = [crop(clip, i * top, j * left, self.size, self.size) for i, j in steps]
        video = torch.stack([part.video for part in parts], dim=-5).flatten(0, -5)
        box = torch.stack([part.box for part in parts], dim=-4).flatten(0, -4)
        return clip._replace(video=video, box=box)


# Rows and columns in quarters of the free space.
_PLACES = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def _choice(options: Sequence[tuple[int, int]], generator: Generator | None) -> tuple[int, int]:
    return options[_below(len(options), generator)]


def _below(end: int, generator: Generator | None) -> int:
    return int(torch.randint(end, (), generator=generator))
