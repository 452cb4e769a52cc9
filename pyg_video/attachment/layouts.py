"""Layouts of features in a tensor, and conversion to and from clips."""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

_MAPS = ("FCHW", "FHWC")
_VOLUMES = ("BCTHW", "BTHWC", "BTCHW")
_CHANNELS_FIRST = (nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d)  # exactly these: torchvision and timm have
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)  # subclasses that permute


class Layout(NamedTuple):
    """Meaning of the dimensions of features.

    Attributes:
        axes: one letter per dimension: ``"FCHW"`` or ``"FHWC"`` for the :math:`F = B T` folded frames of several
            clips, ``"BCTHW"``, ``"BTHWC"`` or ``"BTCHW"`` for whole clips. For tokens, the axes after they are put on
            their grid.
        grid: for tokens :math:`(F, L, C)` or :math:`(B, L, C)`: height and width of their grid, preceded by its number
            of frames for tokens of whole clips. Empty for maps.
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
    if layout.axes not in _MAPS + _VOLUMES:
        raise ValueError(f"Expected 'axes' to be one of {', '.join(_MAPS + _VOLUMES)} (got {layout.axes!r})")
    wanted = {"FHWC": 2, "BTHWC": 3}.get(layout.axes, 0)
    if layout.grid and (len(layout.grid) != wanted or layout.prefix < 0):
        raise ValueError(
            f"Expected tokens with axes 'FHWC' and a 'grid' of 2 sizes, or 'BTHWC' and 3 sizes (got {layout})"
        )


def to_clips(features: Tensor, layout: Layout, num_frames: int) -> Tensor:
    """Features as clips, without prefix tokens.

    Shapes:
        - **features:** according to ``layout``
        - **output:** :math:`(B, T, C, H, W)`

    Raises:
        ValueError: the features have another number of dimensions or tokens, or their frames are not whole clips.
    """
    tokens = layout.prefix + math.prod(layout.grid)
    num_dims = 3 if layout.grid else len(layout.axes)
    if features.dim() != num_dims or (layout.grid and features.size(1) != tokens):
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
    return y.contiguous() if features.is_contiguous() else y  # the next module may call view


def guess_layout(
    shape: Sequence[int], video: VideoInput, module: nn.Module, *, prefix: int = 0, grid: tuple[int, ...] = ()
) -> Layout:
    """Infer the layout of a module's output from its shape and the video that the model was given.

    Args:
        shape: shape of the output.
        video: the video that the model was given; its aspect ratio tells height and width from channels.
        module: the module; its type decides where the aspect ratio leaves two possibilities.
        prefix: number of prefix tokens of the model, if known; 0 and 1 are tried in any case.
        grid: frames, height and width of the tokens, if the module returns them.

    Raises:
        ValueError: the shape is not that of features of this video, or fits several layouts.
    """
    folded = shape[0] == video.batch * video.frames and (video.axes == "FCHW" or shape[0] != video.batch)
    whole = shape[0] == video.batch and video.axes != "FCHW"
    found: list[Layout] = []
    if len(shape) == 3 and (folded or whole):
        found = _token_layouts(shape[1], video, folded, {0, 1, prefix}, grid)
    elif len(shape) == 4 and folded:
        found = _best(_MAPS, shape, video, module)
    elif len(shape) == 5 and whole:
        found = _best(_VOLUMES, shape, video, module)
    if len(found) == 1:
        return found[0]
    T, (H, W) = video.frames, video.size
    seen = f"{list(shape)} from {video.batch} clip(s) of {T} frames of {H} x {W}"
    if found:
        ways = " or ".join(layout.axes for layout in found)
        raise ValueError(
            f"Expected features that can be read in one way (got {seen}, which may be {ways}); give the place in "
            "'layouts', or an 'input' that is not square"
        )
    raise ValueError(
        f"Expected features of a video: [F, C, H, W], [F, H, W, C], [B, C, T, H, W], [B, T, H, W, C], or tokens "
        f"[F, L, C] or [B, L, C] (got {seen}); choose another module, or give the place in 'layouts'"
    )


def _best(known: tuple[str, ...], shape: Sequence[int], video: VideoInput, module: nn.Module) -> list[Layout]:
    """The layouts whose aspect ratio is closest to that of the video, more than one in case of a tie."""
    misfit = {}
    for axes in known:
        size = dict(zip(axes, shape, strict=True))
        if size.get("T", 1) <= video.frames:
            misfit[axes] = abs(math.log((size["H"] * video.size[1]) / (size["W"] * video.size[0])))
    least = min(misfit.values(), default=0.0)
    best = [axes for axes, value in misfit.items() if math.isclose(value, least, abs_tol=1e-9)]
    if len(best) > 1 and type(module) in _CHANNELS_FIRST + _CHANNELS_LAST:
        best = [axes for axes in best if axes.endswith("C") == (type(module) in _CHANNELS_LAST)]
    if len(best) > 1 and video.axes in best and video.axes != "FCHW":
        best = [video.axes]  # a net on clips usually keeps their order
    return [Layout(axes) for axes in best]


def _token_layouts(
    length: int, video: VideoInput, folded: bool, prefixes: set[int], grid: tuple[int, ...]
) -> list[Layout]:
    axes = "FHWC" if folded else "BTHWC"
    if grid:
        prefix = length - math.prod(grid)
        return [Layout(axes, tuple(grid), prefix)] if len(grid) == len(axes) - 2 and prefix >= 0 else []
    # Sizes after every stride that divides them; rounded sizes would be ambiguous.
    T, (H, W) = video.frames, video.size
    frames = [1] if folded else [T // stride for stride in range(1, T + 1) if T % stride == 0]
    maps = [(H // stride, W // stride) for stride in range(1, min(H, W) + 1) if H % stride == W % stride == 0]
    fits = [(length - t * h * w, -t, (h, w) if folded else (t, h, w)) for t, (h, w) in product(frames, maps)]
    return [Layout(axes, sides, prefix) for prefix, _, sides in sorted(fits) if prefix in prefixes][:1]
