"""Boxes and captions on frames, and contact sheets of clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .._checks import check_fractions
from .pictures import VIDEO, as_bytes, check_pixels, enlarge, to_image, to_tensor

#: Colours that are distinguishable on a dark background, also with most colour vision deficiencies.
PALETTE = (
    *("#ffd43b", "#4dabf7", "#ff6b6b", "#51cf66", "#da77f2", "#ffa94d", "#22d3ee", "#f783ac"),
    *("#a9e34b", "#9775fa", "#e8590c", "#ced4da", "#0ca678", "#c2255c"),
)

_GROUND = 40  # grey between frames, so that black frames are visible


def draw_boxes(
    video: Tensor,
    box: Tensor,
    *,
    colors: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    scale: int = 4,
) -> Tensor:
    r"""Enlarge the frames of a clip and draw a box per region on each.

    Args:
        video: the clip, float in [0, 1] or uint8.
        box: regions, ``cxcywh`` in [0, 1], clipped to the frame.
        colors: a colour per region, as Pillow names them; by default ``PALETTE`` in turn.
        labels: a label per region.
        scale: integer factor of enlargement (nearest neighbour).

    Shapes:
        - **video:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`
        - **box:** :math:`[T, N, 4]`
        - **output:** :math:`[T, 3, scale \cdot H, scale \cdot W]`, uint8

    Raises:
        ValueError: an argument has another shape, type or range.

    Example:
        >>> box = torch.tensor([0.5, 0.5, 0.5, 0.5]).expand(2, 3, 4)
        >>> draw_boxes(torch.zeros(2, 1, 10, 12), box, scale=4).shape
        torch.Size([2, 3, 40, 48])
    """
    from torchvision.utils import draw_bounding_boxes

    check_pixels("video", video, VIDEO)
    if box.ndim != 3 or box.shape[0] != video.shape[0] or box.shape[2] != 4:
        raise ValueError(
            f"Expected 'box' of shape [{video.shape[0]}, N, 4], as 'video' has frames (got {list(box.shape)})"
        )
    if not box.isfinite().all():
        raise ValueError("Expected 'box' to be finite (got NaN or infinity); check the model that predicted it")
    check_fractions("box", box)
    check_one_each("labels", labels, box.shape[1], "regions")
    colors = choose_colors(colors, box.shape[1], "regions")
    frames = enlarge(as_bytes(video).expand(-1, 3, -1, -1), scale)
    edges, visible = _corners(box.detach().float().cpu(), height=frames.shape[-2], width=frames.shape[-1])
    drawn = []
    for frame, edge, seen in zip(frames, edges, visible, strict=True):
        shown = seen.nonzero().flatten().tolist()
        inks, words = [colors[n] for n in shown], [labels[n] for n in shown] if labels else []
        if shown:
            frame = _write(draw_bounding_boxes(frame, edge[shown], colors=inks, width=2), edge[shown], words, inks)
        drawn.append(frame)
    return torch.stack(drawn)


def contact_sheet(videos: Sequence[Tensor] | Tensor, captions: Sequence[str] | None = None, *, gap: int = 4) -> Tensor:
    r"""Arrange clips in one picture with a row per clip and a column per frame.

    Args:
        videos: clips, which may differ in size and length; or a batch of clips.
        captions: a line of text above each row.
        gap: pixels between frames.

    Shapes:
        - **videos:** each :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8
        - **output:** :math:`[3, h, w]`, uint8

    Raises:
        ValueError: there is no clip, a clip has another shape or type, or the number of captions differs.

    Example:
        >>> contact_sheet([torch.zeros(5, 1, 20, 20)] * 2, gap=4).shape
        torch.Size([3, 52, 124])
    """
    if len(videos) == 0 or (captions is not None and len(captions) != len(videos)):
        raise ValueError(
            f"Expected 'videos' to be one clip or more and 'captions' to be one line for each "
            f"(got {len(videos)} clips, {None if captions is None else len(captions)} captions)"
        )
    for n, video in enumerate(videos):
        check_pixels(f"videos[{n}]", video, VIDEO)
    rows = []
    for n, video in enumerate(videos):
        frames = F.pad(as_bytes(video).expand(-1, 3, -1, -1), (gap, 0, gap, 0), value=_GROUND)
        row = torch.cat(list(frames), dim=-1)  # [3, gap + H, T * (gap + W)]
        rows += [write_line(captions[n], row.shape[-1]), row] if captions else [row]
    width = max(row.shape[-1] for row in rows)
    sheet = torch.cat([F.pad(row, (0, width - row.shape[-1]), value=_GROUND) for row in rows], dim=-2)
    return F.pad(sheet, (0, gap, 0, gap), value=_GROUND)


def caption(frames: Tensor, lines: Sequence[str]) -> Tensor:
    r"""Write lines of text below every frame.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8
        - **output:** :math:`[T, 3, h, w]`, uint8, at least as wide as the longest line

    Raises:
        ValueError: the frames have another shape or type.
    """
    check_pixels("frames", frames, VIDEO)
    pixels = as_bytes(frames).expand(-1, 3, -1, -1)
    strips = [write_line(line, pixels.shape[-1]) for line in lines]
    width = max([pixels.shape[-1], *(strip.shape[-1] for strip in strips)])
    parts = [F.pad(pixels, (0, width - pixels.shape[-1]))]
    parts += [F.pad(strip, (0, width - strip.shape[-1])).expand(len(pixels), -1, -1, -1) for strip in strips]
    return torch.cat(parts, dim=-2)


def check_one_each(name: str, given: Sequence[str] | None, count: int, things: str) -> None:
    """Raise a :exc:`ValueError` if an optional list does not have one entry for each of ``count`` things."""
    if given is not None and len(given) != count:
        raise ValueError(f"Expected {name!r} to hold one for each of the {count} {things} (got {len(given)})")


def choose_colors(colors: Sequence[str] | None, count: int, things: str) -> Sequence[str]:
    """The given colours, or those of ``PALETTE`` in turn."""
    check_one_each("colors", colors, count, things)
    return colors or [PALETTE[n % len(PALETTE)] for n in range(count)]


def write_line(line: str, width: int, height: int = 18) -> Tensor:
    """One line of white text as a picture, ``[3, height, width]`` or wider if the text needs it."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    width = max(width, round(font.getlength(line)) + 8)
    strip = Image.new("RGB", (width, height), (_GROUND,) * 3)
    ImageDraw.Draw(strip).text((4, 4), line, fill="white", font=font)
    return to_tensor(strip)


def _write(frame: Tensor, edge: Tensor, words: Sequence[str], colors: Sequence[str]) -> Tensor:
    """Write the label of each box above it, or below if there is no space."""
    from PIL import ImageDraw, ImageFont

    image, height = to_image(frame), 12
    pen = ImageDraw.Draw(image)
    for (left, top, _, bottom), word, color in zip(edge.tolist(), words, colors, strict=False):
        at = (left, top - height if top >= height else bottom + 1)
        pen.text(at, word, fill=color, font=ImageFont.load_default())
    return to_tensor(image)


def _corners(box: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Boxes as ``xyxy`` in pixels within the frame, and which of them have anything left in it."""
    size = torch.tensor([width, height, width, height])
    center, half = box[..., :2], box[..., 2:] / 2
    edge = torch.cat([center - half, center + half], dim=-1) * size
    edge = edge.clamp(min=0).minimum(size - 1)
    return edge, (edge[..., 2:] > edge[..., :2]).all(-1)
