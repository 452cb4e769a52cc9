"""Batched rendering of digits at given positions, and their boxes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .images import INK


def render(image: Tensor, position: Tensor, canvas_size: int) -> Tensor:
    r"""Render moving digits onto a canvas.

    A pixel of a digit replaces the one below it if it is at least 10 of 255; later digits lie in front.

    Args:
        image: the clips' digits, in drawing order.
        position: their top-left corners (row, column), in pixels of the canvas.
        canvas_size: side of the square canvas; every digit lies fully on it.

    Shapes:
        - **image:** :math:`[B, D, S, S]`, uint8
        - **position:** :math:`[B, T, D, 2]`, int64
        - **output:** :math:`[B, T, canvas\_size, canvas\_size]`, uint8

    Example:
        >>> white = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)
        >>> render(white, torch.tensor([[[[0, 1]]]]), canvas_size=3)[0, 0].tolist()
        [[0, 255, 255], [0, 255, 255], [0, 0, 0]]
    """
    B, T, D, _ = position.shape
    side = torch.arange(image.shape[-1], device=image.device)
    pixel = (side[:, None] * canvas_size + side).flatten()  # [S * S], counted from the digit's corner
    frame = torch.arange(B * T, device=image.device).view(B, T, 1) * canvas_size**2
    corner = frame + position[..., 0] * canvas_size + position[..., 1]  # [B, T, D]
    board = image.new_zeros(B * T * canvas_size**2)
    for d in range(D):
        where = (corner[:, :, d, None] + pixel).flatten()
        new = image[:, d].flatten(1)[:, None].expand(B, T, -1).flatten()
        board[where] = torch.where(new >= INK, new, board[where])
    return board.view(B, T, canvas_size, canvas_size)


def shrink(video: Tensor, frame_size: int) -> Tensor:
    r"""Bilinear resize with antialiasing (as in Pillow, which the authors used), to values in [0, 1].

    Shapes:
        - **video:** :math:`[B, T, H, W]`, uint8
        - **output:** :math:`[B, T, 1, H, W]`, float32
    """
    video = video.float().div_(255)
    if video.shape[-1] != frame_size:
        video = F.interpolate(video, size=(frame_size, frame_size), mode="bilinear", antialias=True)
    return video[:, :, None]


def ink_box(image: Tensor) -> Tensor:
    r"""Tight box around each digit's ink (pixels of at least 10), in pixels from its top-left corner.

    Shapes:
        - **image:** :math:`[M, S, S]`, uint8
        - **output:** :math:`[M, 4]`, float32, ``cxcywh``
    """
    ink = image >= INK
    (left, right), (top, bottom) = _extent(ink.any(1)), _extent(ink.any(2))
    return torch.stack([left + right, top + bottom, 2 * (right - left), 2 * (bottom - top)], dim=-1) / 2


def _extent(present: Tensor) -> tuple[Tensor, Tensor]:
    """The first and one past the last True of each row of ``present [M, S]``."""
    first = present.byte().argmax(1)
    last = present.shape[1] - present.flip(1).byte().argmax(1)
    return first, last


def boxes_on_canvas(box: Tensor, position: Tensor, canvas_size: int) -> Tensor:
    r"""Move the digits' ink boxes to their positions; relative to the canvas, so valid for resized frames as well.

    Shapes:
        - **box:** :math:`[B, D, 4]`, ``cxcywh`` in pixels, from :func:`ink_box`
        - **position:** :math:`[B, T, D, 2]`, (row, column) in pixels
        - **output:** :math:`[B, T, D, 4]`, float32, ``cxcywh`` in [0, 1]
    """
    size = box[:, None, :, 2:].expand(-1, position.shape[1], -1, -1)
    return torch.cat([box[:, None, :, :2] + position.flip(-1), size], dim=-1) / canvas_size
