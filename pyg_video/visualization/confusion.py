"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from .pictures import to_tensor

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_INK, _FAINT, _GRID, _EMPTY = "#1f2933", "#7b8794", "#ffffff", "#e4e7eb"
_RIGHT = ((244, 248, 252), (158, 202, 225), (33, 113, 181), (8, 48, 107))  # white to blue
_WRONG = ((252, 250, 248), (253, 190, 133), (230, 85, 13), (140, 35, 5))  # white to brown, by way of orange
_STEPS = (1, 2, 5, 10, 20, 50, 100)  # percentages that the scale of confusions can end with


class _Layout(NamedTuple):
    """Sizes in pixels: a cell's side, letters, the room for names, where the matrix starts and how large it is."""

    cell: int
    letters: int
    names: int
    left: int
    top: int
    side: int


def draw_confusion(confusion: Tensor, names: Sequence[str], *, title: str = "") -> Tensor:
    r"""Draw a confusion matrix with a row per true class and a column per prediction.

    Colours are fractions of the row's clips: correct predictions blue, from 0 to 100 %; confusions orange, from 0 to
    the most frequent one, rounded up to 1, 2, 5, 10, 20, 50 or 100 %. The accuracy of each class is written beside its
    row and, with at most twelve classes, the number of clips in each cell. Rows without clips are grey.

    Args:
        confusion: number of clips of class :math:`i` that were predicted as class :math:`j`.
        names: short names of the classes in the same order.
        title: title above the matrix.

    Shapes:
        - **confusion:** :math:`[K, K]`
        - **output:** :math:`[3, h, w]`, uint8

    Raises:
        ValueError: the matrix is not square, has negative entries, or the number of names differs.

    Example:
        >>> import torch
        >>> draw_confusion(torch.tensor([[8, 2], [1, 9]]), ["3 & 7", "3 & 9"]).dtype
        torch.uint8
    """
    from PIL import Image, ImageDraw

    K = len(names)
    if K == 0 or confusion.shape != (K, K) or bool((confusion < 0).any()):
        raise ValueError(
            "Expected 'confusion' as a square matrix of numbers of clips, and 'names' with one for each row "
            f"(got {list(confusion.shape)} and {K} names); leave negative numbers out"
        )
    counts = confusion.detach().cpu().double()
    clips = counts.sum(1)
    share = counts / clips[:, None].clamp(min=1)
    end = _scale_end(share)
    layout = _layout(names, title)
    image = Image.new("RGB", _size(layout, title), "white")
    pen = ImageDraw.Draw(image)
    pen.text((layout.letters, layout.letters), title, fill=_INK, font=_font(layout.letters + 3))
    _draw_cells(pen, layout, counts, share, end)
    _draw_names(image, pen, layout, names, share.diagonal().tolist(), clips.tolist())
    _draw_scales(pen, layout, end)
    return to_tensor(image)


def _scale_end(share: Tensor) -> int:
    """Percentage at which the scale of confusions ends."""
    worst = 100 * float((share - share.diagonal().diag()).max())
    return next((step for step in _STEPS if worst <= step + 1e-9), _STEPS[-1])


def _layout(names: Sequence[str], title: str) -> _Layout:
    few = len(names) <= 12
    cell, letters = (44, 14) if few else (17, 12)
    room = round(max(_font(letters).getlength(name) for name in names)) + 10
    line = 2 * letters
    top = (line if title else 0) + line + room
    return _Layout(cell, letters, room, line + room, top, cell * len(names))


def _size(layout: _Layout, title: str) -> tuple[int, int]:
    width = layout.left + layout.side + 17 * layout.letters
    height = layout.top + max(layout.side, 8 * layout.letters) + layout.letters
    return max(width, round(_font(layout.letters + 3).getlength(title)) + 2 * layout.letters), height


def _draw_cells(pen: ImageDraw.ImageDraw, layout: _Layout, counts: Tensor, share: Tensor, end: int) -> None:
    clips = counts.sum(1).tolist()
    for i, (row, numbers) in enumerate(zip(share.tolist(), counts.tolist(), strict=True)):
        for j, (part, number) in enumerate(zip(row, numbers, strict=True)):
            x, y = layout.left + j * layout.cell, layout.top + i * layout.cell
            strength = part if i == j else 100 * part / end
            color = _between(_RIGHT if i == j else _WRONG, strength) if clips[i] else _EMPTY
            pen.rectangle((x, y, x + layout.cell - 1, y + layout.cell - 1), fill=color, outline=_GRID)
            if layout.cell >= 40 and number:
                ink = "white" if strength > 0.5 else _INK
                center = (x + layout.cell / 2, y + layout.cell / 2)
                pen.text(center, f"{number:.0f}", fill=ink, font=_font(layout.letters), anchor="mm")


def _draw_names(
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    layout: _Layout,
    names: Sequence[str],
    right: Sequence[float],
    clips: Sequence[float],
) -> None:
    font, middle = _font(layout.letters), layout.cell / 2
    beyond = layout.left + layout.side + layout.letters // 2
    for n, name in enumerate(names):
        y, ink = layout.top + n * layout.cell + middle, _INK if clips[n] else _FAINT
        pen.text((layout.left - 6, y), name, fill=ink, font=font, anchor="rm")
        pen.text((beyond, y), f"{right[n]:.0%}" if clips[n] else "-", fill=_FAINT, font=font, anchor="lm")
        upright = _turned(name, layout)
        x = layout.left + n * layout.cell + middle
        image.paste(upright, (round(x - upright.width / 2), layout.top - 4 - upright.height))
    pen.text((layout.left, layout.top - layout.names - 4), "answer", fill=_FAINT, font=font, anchor="lb")
    pen.text((layout.left - 6, layout.top - 6), "truth", fill=_FAINT, font=font, anchor="rb")
    pen.text((beyond, layout.top - 6), "right", fill=_FAINT, font=font, anchor="lb")


def _turned(name: str, layout: _Layout) -> Image.Image:
    """A name that runs upwards."""
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (layout.names - 4, layout.letters + 4), "white")
    ImageDraw.Draw(strip).text((0, strip.height / 2), name, fill=_INK, font=_font(layout.letters), anchor="lm")
    return strip.transpose(Image.Transpose.ROTATE_90)


def _draw_scales(pen: ImageDraw.ImageDraw, layout: _Layout, end: int) -> None:
    font = _font(layout.letters)
    height = 8 * layout.letters
    x, y = layout.left + layout.side + 5 * layout.letters, layout.top
    for word, colors, highest in (("right", _RIGHT, 100), ("confused", _WRONG, end)):
        pen.text((x, y - 10), word, fill=_INK, font=font, anchor="lb")
        for line in range(height):
            pen.line((x, y + line, x + layout.letters, y + line), fill=_between(colors, 1 - line / (height - 1)))
        for level in (0.0, 0.5, 1.0):
            at = (x + 1.5 * layout.letters, y + (1 - level) * (height - 1))
            pen.text(at, f"{level * highest:g} %", fill=_INK, font=font, anchor="lm")
        x += 6 * layout.letters


def _between(colors: Sequence[tuple[int, int, int]], strength: float) -> tuple[int, int, int]:
    """The colour at ``strength``, 0 to 1, of a scale through ``colors``."""
    places = np.linspace(0, 1, len(colors))
    r, g, b = (round(float(np.interp(strength, places, channel))) for channel in zip(*colors, strict=True))
    return r, g, b


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
