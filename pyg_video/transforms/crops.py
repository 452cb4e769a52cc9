"""Crops and resizing, the same for all frames of a clip."""

from collections.abc import Sequence

import torch
from torch import Generator

from .clip import AnyClip, crop, resize


class ShortSide:
    """Resize the shorter side of the frames to a given length, bilinear with antialiasing.

    Args:
        size: length of the shorter side, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = _positive("size", size)

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        if H < W:
            return resize(clip, self.size, int(self.size * W / H))
        return resize(clip, int(self.size * H / W), self.size)

    def __repr__(self) -> str:
        return f"ShortSide({self.size})"


class CentreCrop:
    """Square crop at the centre of the frames.

    Args:
        size: side of the square, in pixels.

    Raises:
        ValueError: the frames are smaller than the square.
    """

    def __init__(self, size: int) -> None:
        self.size = _positive("size", size)

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        return crop(clip, round((H - self.size) / 2), round((W - self.size) / 2), self.size, self.size)

    def __repr__(self) -> str:
        return f"CentreCrop({self.size})"


class MultiScaleCrop:
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
        scales: Sequence[float] = (1, 0.875, 0.75, 0.66),
        *,
        max_distort: int = 1,
        fix_crop: bool = True,
    ) -> None:
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ValueError(f"Expected 'scales' above 0 and at most 1 (got {list(scales)})")
        self.size, self.scales = _positive("size", size), tuple(scales)
        self.max_distort, self.fix_crop = max_distort, fix_crop

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:
        H, W = clip.video.shape[-2:]
        height, width = _choice(self.sizes(min(H, W)), generator)
        places = _PLACES if self.fix_crop else None
        top, left = _place(H - height, W - width, places, generator)
        return resize(crop(clip, top, left, height, width), self.size, self.size)

    def sizes(self, side: int) -> list[tuple[int, int]]:
        """Possible heights and widths of the crop for frames whose shorter side is ``side``."""
        lengths = [int(side * scale) for scale in self.scales]
        # Not beyond the frames: the published code pads by up to two black pixels there.
        lengths = [min(self.size, side) if abs(length - self.size) < 3 else length for length in lengths]
        places = range(len(lengths))
        return [(lengths[i], lengths[j]) for i in places for j in places if abs(i - j) <= self.max_distort]

    def __repr__(self) -> str:
        return f"MultiScaleCrop({self.size}, scales={self.scales})"


class ThreeCrops:
    """Three square crops along the longer side, at its start, end and middle, as tested in the papers.

    The crops form a leading dimension of views in ``video`` and ``box``; with several clips per video, the three crops
    of a clip are adjacent.

    Args:
        size: side of the squares, in pixels; usually the shorter side of the frames.

    Shapes:
        - **video:** :math:`(T, C, H, W)` or, with several clips, :math:`(S, T, C, H, W)`
        - **output:** its video is :math:`(3, T, C, size, size)` or :math:`(3S, T, C, size, size)`
    """

    def __init__(self, size: int) -> None:
        self.size = _positive("size", size)

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:  # noqa: ARG002
        H, W = clip.video.shape[-2:]
        top, left = (H - self.size) // 4, (W - self.size) // 4
        steps = [(2, 0), (2, 4), (2, 2)] if W >= H else [(0, 2), (4, 2), (2, 2)]
        parts = [crop(clip, i * top, j * left, self.size, self.size) for i, j in steps]
        video = torch.stack([part.video for part in parts], dim=-5)
        box = torch.stack([part.box for part in parts], dim=-4)
        if video.ndim == 6:
            video, box = video.flatten(0, 1), box.flatten(0, 1)
        return clip._replace(video=video, box=box)

    def __repr__(self) -> str:
        return f"ThreeCrops({self.size})"


# Rows and columns in quarters of the free space.
_PLACES = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def _place(
    rows: int, cols: int, places: Sequence[tuple[int, int]] | None, generator: Generator | None
) -> tuple[int, int]:
    """Top and left of a crop with ``rows`` and ``cols`` pixels of free space."""
    if places is None:
        return _below(rows + 1, generator), _below(cols + 1, generator)
    i, j = _choice(places, generator)
    return i * (rows // 4), j * (cols // 4)


def _choice(options: Sequence[tuple[int, int]], generator: Generator | None) -> tuple[int, int]:
    return options[_below(len(options), generator)]


def _below(end: int, generator: Generator | None) -> int:
    return int(torch.randint(end, (), generator=generator))


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"Expected '{name}' of at least 1 pixel (got {value})")
    return value
