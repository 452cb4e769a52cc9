"""Layouts of features in a tensor, and conversion to and from clips."""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

_MAPS = ("FCHW", "FHWC")
_VOLUMES = ("BCTHW", "BTHWC", "BTCHW")
_TOKENS = {"FHWC": 2, "BTHWC": 3, "BHWTC": 3}  # sizes of their grid
_MISFIT = math.log(2)  # of the proportions of a map to those of the video, rounded at small maps
_MOST_PREFIX = 16  # tokens before those of the grid, where nothing tells their number
_CHANNELS_FIRST = (nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d)  # exactly these: torchvision and timm have
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)  # subclasses that permute


class Layout(NamedTuple):
    """Meaning of the dimensions of features.

    Attributes:
        axes: one letter per dimension: ``"FCHW"`` or ``"FHWC"`` for the :math:`F = B T` folded frames of several
            clips, ``"BCTHW"``, ``"BTHWC"`` or ``"BTCHW"`` for whole clips. For tokens, the axes after they are put on
            their grid: ``"FHWC"``, ``"BTHWC"``, or ``"BHWTC"`` if the frames of a place follow each other.
        grid: for tokens :math:`(F, L, C)` or :math:`(B, L, C)`: sizes of their grid in the order of ``axes``, height
            and width for those of frames. Empty for maps.
        prefix: number of tokens before those of the grid, such as a class token; they do not become part of the clips.

    Example:
        >>> vit = Layout("FHWC", grid=(14, 14), prefix=1)
        >>> to_clips(torch.zeros(8, 197, 768), vit, num_frames=4).shape
        torch.Size([2, 4, 768, 14, 14])
    """

    axes: str
    grid: tuple[int, ...] = ()
    prefix: int = 0

    @property
    def folded(self) -> bool:
        """Whether the frames of all clips are folded into one dimension."""
        return self.axes[0] == "F"


class VideoInput(NamedTuple):
    """A model's video: axes ``"FCHW"``, ``"BCTHW"`` or ``"BTCHW"``, number of clips, frames per clip, map size."""

    axes: str
    batch: int
    frames: int
    size: tuple[int, int]


def check_layout(layout: Layout) -> None:
    """Raise a :exc:`ValueError` unless the fields of a layout are consistent."""
    known = tuple(dict.fromkeys((*_MAPS, *_VOLUMES, *_TOKENS)))
    if layout.axes not in known:
        raise ValueError(f"Expected 'axes' to be one of {', '.join(known)} (got {layout.axes!r})")
    grid = layout.grid or layout.axes not in _MAPS + _VOLUMES
    if grid and (len(layout.grid) != _TOKENS.get(layout.axes, 0) or layout.prefix < 0):
        raise ValueError(
            "Expected tokens with axes 'FHWC' and a 'grid' of 2 sizes, or 'BTHWC' or 'BHWTC' and 3 sizes "
            f"(got {layout})"
        )


def fits(features: Tensor, layout: Layout) -> bool:
    """Whether features have the number of dimensions, and of tokens, of a layout."""
    if not layout.grid:
        return features.dim() == len(layout.axes)
    whole = len(layout.grid) == _TOKENS.get(layout.axes)
    return whole and features.dim() == 3 and features.size(1) == layout.prefix + math.prod(layout.grid)


def to_clips(features: Tensor, layout: Layout, num_frames: int) -> Tensor:
    """Features as clips, without prefix tokens.

    Shapes:
        - **features:** according to ``layout``
        - **output:** :math:`(B, T, C, H, W)`

    Raises:
        ValueError: the features have another number of dimensions or tokens, or their frames are not whole clips.
    """
    if not fits(features, layout):
        tokens = layout.prefix + math.prod(layout.grid)
        wanted = f"[{layout.axes[0]}, {tokens}, C]" if layout.grid else f"[{', '.join(layout.axes)}]"
        raise ValueError(f"Expected features of shape {wanted} (got {list(features.shape)})")
    if layout.folded and features.size(0) % num_frames:
        raise ValueError(
            f"Expected a batch of whole clips, a multiple of 'num_frames' = {num_frames} frames "
            f"(got {features.size(0)} frames)"
        )
    if layout.grid:
        features = features[:, layout.prefix :].unflatten(1, layout.grid)
    if layout.folded:
        features = features.unflatten(0, (-1, num_frames))
    axes = layout.axes.replace("F", "BT")
    return features.permute([axes.index(axis) for axis in "BTCHW"])


def from_clips(clips: Tensor, layout: Layout, features: Tensor) -> Tensor:
    """The inverse of :func:`to_clips`; prefix tokens are taken from the original ``features``."""
    axes = layout.axes.replace("F", "BT")
    y = clips.permute(["BTCHW".index(axis) for axis in axes])
    if layout.folded:
        y = y.flatten(0, 1)
    if layout.grid:
        y = torch.cat([features[:, : layout.prefix], y.flatten(1, len(layout.grid))], dim=1)
    # As it lay in memory: the next module may call view, or choose its kernels by the strides.
    return y if y.stride() == features.stride() else torch.empty_like(features).copy_(y)


def possible_layouts(
    shape: Sequence[int], video: VideoInput, module: nn.Module, *, prefix: int = 0, grid: tuple[int, ...] = ()
) -> list[Layout]:
    """The layouts that a module's output may have by its shape and by the video that the model was given.

    Args:
        shape: shape of the output.
        video: the video that the model was given; its aspect ratio tells height and width from channels.
        module: the module; its type decides where the aspect ratio leaves two possibilities.
        prefix: number of prefix tokens of the model, if known. If neither it nor 0 nor 1 fits, up to 16 are tried.
        grid: frames, height and width of the tokens, if the module returns them; numbers that leave an unlikely number
            of prefix tokens are none.

    Returns:
        Layouts of maps that fit equally well, or layouts of tokens, the likeliest first. A map of one pixel is none.
    """
    folded = shape[0] == video.batch * video.frames and (video.axes == "FCHW" or shape[0] != video.batch)
    whole = shape[0] == video.batch and video.axes != "FCHW"
    if len(shape) == 3 and (folded or whole):
        return _token_layouts(shape[1], video, folded, {0, 1, prefix}, grid)
    if len(shape) == 4 and folded:
        return _best(_MAPS, shape, video, module)
    return _best(_VOLUMES, shape, video, module) if len(shape) == 5 and whole else []


def _best(known: tuple[str, ...], shape: Sequence[int], video: VideoInput, module: nn.Module) -> list[Layout]:
    """The layouts whose aspect ratio is closest to that of the video, more than one in case of a tie."""
    misfit = {}
    for axes in known:
        size = dict(zip(axes, shape, strict=True))
        if size.get("T", 1) <= video.frames and size["H"] * size["W"] > 1:
            misfit[axes] = abs(math.log((size["H"] * video.size[1]) / (size["W"] * video.size[0])))
    least = min((value for value in misfit.values() if value <= _MISFIT), default=-1.0)
    best = [axes for axes, value in misfit.items() if math.isclose(value, least, abs_tol=1e-9)]
    if len(best) > 1 and type(module) in _CHANNELS_FIRST + _CHANNELS_LAST:
        best = [axes for axes in best if axes.endswith("C") == (type(module) in _CHANNELS_LAST)]
    if len(best) > 1 and video.axes in best and video.axes != "FCHW":
        best = [video.axes]  # a net on clips usually keeps their order
    return [Layout(axes) for axes in best]


def _token_layouts(
    length: int, video: VideoInput, folded: bool, likely: set[int], grid: tuple[int, ...]
) -> list[Layout]:
    told = Layout("FHWC" if folded else "BTHWC", tuple(grid), length - math.prod(grid))
    if len(grid) == len(told.axes) - 2 and told.prefix in likely:  # else the numbers tell something else
        return [told]
    fits = set()
    for t, (h, w) in product(*_strided(video, folded)):
        prefix = length - t * h * w
        if h * w > 1 and 0 <= prefix <= max(_MOST_PREFIX, *likely):
            padded = video.size[0] % h > 0 or video.size[1] % w > 0
            fits.add((prefix not in likely, padded, prefix, -t, h, w))
    found = []
    for _, _, prefix, t, h, w in [fit for fit in sorted(fits) if fit[:2] == min(fits)[:2]]:
        found.append(Layout("FHWC", (h, w), prefix) if folded else Layout("BTHWC", (-t, h, w), prefix))
        if not folded and t < -1:
            found.append(Layout("BHWTC", (h, w, -t), prefix))
    return found


def _strided(video: VideoInput, folded: bool) -> tuple[list[int], list[tuple[int, int]]]:
    """Numbers of frames and sizes of maps after every stride, those that do not divide rounded up (padded)."""
    T, (H, W) = video.frames, video.size
    frames = [1] if folded else [T // stride for stride in range(1, T + 1) if T % stride == 0]
    return frames, [(-(-H // stride), -(-W // stride)) for stride in range(1, min(H, W) + 1)]
