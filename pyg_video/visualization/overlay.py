"""Regions and text on single frames of any size, for films of original size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .draw import choose_colors
from .kernels import mixed_colors
from .pictures import check_pixels, to_image, to_tensor

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_READABLE = 96  # pixels at least, of the shorter side of a frame with text
_WHOLE = (0.0, 0.0, 1.0, 1.0)
_TINT = 0.45  # opacity of the maximum of a kernel
_DARK, _HALO, _PALE = (0, 0, 0, 150), (0, 0, 0, 80), (255, 255, 255, 130)


def draw_regions(
    frame: Tensor,
    box: Tensor,
    *,
    path: Tensor | None = None,
    kernel: Tensor | None = None,
    place: Sequence[float] = _WHOLE,
    lines: Sequence[str] = (),
    colors: Sequence[str] | None = None,
) -> Tensor:
    r"""Draw regions, where they came from, and text on one frame, with lines and letters that fit its size.

    Args:
        frame: the frame, float in [0, 1] or uint8.
        box: regions, ``cxcywh`` as fractions of the frame; NaN for those that are missing.
        path: the last centres of each region, from the oldest to the current one; NaN where it was missing.
        kernel: weights of the nodes on a map, non-negative.
        place: where this map lies in the frame: left, top, width and height as fractions of the frame. If that is
            not the whole frame, it is outlined.
        lines: text at the top left, not on frames of less than 96 pixels; a line that is too wide is shortened.
        colors: a colour per region, as Pillow names them; by default ``PALETTE`` in turn.

    Shapes:
        - **frame:** :math:`(1, H, W)` or :math:`(3, H, W)`
        - **box:** :math:`(N, 4)`
        - **path:** :math:`(P, N, 2)`, x and y as fractions of the frame
        - **kernel:** :math:`(N, h, w)`
        - **output:** :math:`(3, H, W)`, uint8

    Raises:
        ValueError: an argument has another shape or type.

    Example:
        >>> box = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
        >>> draw_regions(torch.zeros(1, 120, 160), box, lines=["0 and 1 move together"]).shape
        torch.Size([3, 120, 160])
    """
    from PIL import ImageDraw

    check_pixels("frame", frame, ("1 or 3", "H", "W"))
    if box.ndim != 2 or box.shape[1] != 4:
        raise ValueError(f"Expected 'box' of shape [N, 4] (got {list(box.shape)})")
    inks = choose_colors(colors, len(box), "regions")
    image = to_image(frame)
    if kernel is not None and len(box):
        _tint(image, kernel, place, inks)
    pen = ImageDraw.Draw(image, "RGBA")
    size = torch.tensor([image.width, image.height])
    width = max(1, round(0.8 + min(image.size) / 270))
    if tuple(place) != _WHOLE:
        area = torch.tensor([*place[:2], place[0] + place[2], place[1] + place[3]]) * size.repeat(2)
        _draw_box(pen, area.tolist(), _PALE, max(1, width // 2))
    if path is not None and len(path) > 1:
        _draw_paths(pen, path * size, inks, width)
    corners = torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], dim=1) * size.repeat(2)
    for corner, ink in zip(corners, inks, strict=True):
        if corner.isfinite().all():
            _draw_box(pen, corner.tolist(), ink, width)
    if lines and min(image.size) >= _READABLE:
        _write_lines(pen, lines, *image.size)
    return to_tensor(image)


def _tint(image: Image, kernel: Tensor, place: Sequence[float], colors: Sequence[str]) -> None:
    """Lay the nodes' colours over the image where their map lies in it."""
    from PIL import Image

    color, total = mixed_colors(kernel[None], colors)
    most = total.clamp(max=1)
    layer = torch.cat([color / most.clamp(min=1e-6), 255 * _TINT * most], dim=1)[0].round().clamp(0, 255).byte()
    left, top = round(place[0] * image.width), round(place[1] * image.height)
    size = (max(1, round(place[2] * image.width)), max(1, round(place[3] * image.height)))
    picture = Image.fromarray(layer.permute(1, 2, 0).contiguous().numpy()).resize(size, Image.Resampling.BILINEAR)
    image.paste(picture, (left, top), picture)


def _draw_paths(pen: ImageDraw, points: Tensor, colors: Sequence[str], width: int) -> None:
    """The way of each centre, fainter the longer ago, and a dot where it is now."""
    from PIL import ImageColor

    steps = len(points) - 1
    for line, name in zip(points.transpose(0, 1), colors, strict=True):
        ink = ImageColor.getrgb(name)[:3]
        for k, (start, end) in enumerate(pairwise(line)):
            if start.isfinite().all() and end.isfinite().all():
                faint = (*ink, 60 + 195 * (k + 1) // steps)
                pen.line((*start.tolist(), *end.tolist()), fill=faint, width=width)
        if line[-1].isfinite().all():
            x, y = line[-1].tolist()
            for r, color in ((1.4 * width + 2, _HALO), (1.4 * width + 1, name)):
                pen.ellipse((x - r, y - r, x + r, y + r), fill=color)


def _draw_box(pen: ImageDraw, corner: Sequence[float], color: str | tuple[int, ...], width: int) -> None:
    """A box with a dark rim, which is visible on bright frames as well."""
    left, top, right, bottom = corner
    if right - left >= 1 and bottom - top >= 1:
        rim = max(1, width // 2)
        pen.rectangle((left - rim, top - rim, right - 1 + rim, bottom - 1 + rim), outline=_HALO, width=width + 2 * rim)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=color, width=width)


def _write_lines(pen: ImageDraw, lines: Sequence[str], width: int, height: int) -> None:
    size = max(11, round(min(width, height) / 22))
    gap = max(3, size // 4)
    fitting = [_fitted(line, size, width - 4 * gap) for line in lines]
    wide = max(font.getlength(line) for line, font in fitting)
    pen.rectangle((0, 0, wide + 3 * gap, len(lines) * (size + gap) + gap), fill=_DARK)
    for k, (line, font) in enumerate(fitting):
        pen.text((gap, gap // 2 + 1 + k * (size + gap)), line, fill="white", font=font)


def _fitted(line: str, size: int, width: int) -> tuple[str, FreeTypeFont | ImageFont]:
    """The line in a smaller font, or else cut off, so that it is not wider than the frame."""
    smallest = max(10, 2 * size // 3)
    font = next(
        (font for font in map(_font, range(size, smallest, -1)) if font.getlength(line) <= width), _font(smallest)
    )
    if font.getlength(line) > width:
        while line and font.getlength(line + "...") > width:
            line = line[:-1]
        line += "..."
    return line, font


@lru_cache(maxsize=64)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
