"""Pictures and animations: conversion between tensors, Pillow images and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._files import whole_file

if TYPE_CHECKING:
    from PIL import Image

VIDEO = ("T", "1 or 3", "H", "W")
PICTURE = ("1 or 3", "h", "w")


def save_gif(path: str | os.PathLike[str], frames: Tensor, fps: float = 5) -> Path:
    r"""Write frames as a looping GIF, atomically.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8

    Raises:
        ValueError: the frames have another shape or type, or ``fps`` is not above 0.
    """
    check_frames(frames, fps)
    first, *rest = [to_image(frame) for frame in frames]
    delay = round(1000 / fps)
    with whole_file(path) as draft:
        first.save(draft, format="GIF", save_all=True, append_images=rest, duration=delay, loop=0)
    return Path(path)


def save_png(path: str | os.PathLike[str], picture: Tensor) -> Path:
    r"""Write a PNG picture, atomically.

    Shapes:
        - **picture:** :math:`[1, h, w]` or :math:`[3, h, w]`, float in [0, 1] or uint8

    Raises:
        ValueError: the picture has another shape or type.
    """
    check_pixels("picture", picture, PICTURE)
    with whole_file(path) as draft:
        to_image(picture).save(draft, format="PNG")
    return Path(path)


def check_frames(frames: object, fps: float) -> None:
    """Raise a :exc:`ValueError` unless ``frames`` and their rate can be written as a video."""
    check_pixels("frames", frames, VIDEO)
    if not fps > 0:
        raise ValueError(f"Expected 'fps' to be above 0 frames per second (got {fps})")


def check_pixels(name: str, value: object, axes: Sequence[str]) -> None:
    """Raise a :exc:`ValueError` with a repair unless ``value`` has the ``axes`` and can be drawn.

    Args:
        name: name of the argument.
        value: its value.
        axes: ``VIDEO`` or ``PICTURE``.
    """
    got = f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
    if not isinstance(value, Tensor):
        repair = "convert it with torch.as_tensor"
    elif value.ndim > len(axes):
        repair = "pass one clip at a time, or one frame of it as a picture"
    elif value.ndim < len(axes):
        repair = "add the dimension that is missing, [:, None] for the channel of frames and [None] for a single one"
    elif value.shape[-3] not in (1, 3):
        repair = "pass one channel, as grey, or three, as red, green and blue"
    elif value.numel() == 0:
        repair = "pass at least one frame of at least one pixel"
    elif not (value.is_floating_point() or value.dtype == torch.uint8):
        repair = "convert it with .byte() if it counts to 255, with .float() if it counts to 1"
    else:
        return
    raise ValueError(
        f"Expected {name!r} of shape [{', '.join(axes)}], not empty, float in [0, 1] or uint8 (got {got}); {repair}"
    )


def as_bytes(video: Tensor) -> Tensor:
    """Floats in [0, 1] as 0 to 255; bytes as they are. On the CPU, where pictures are drawn."""
    video = video.detach().cpu()
    return video.clamp(0, 1).mul(255).round().byte() if video.is_floating_point() else video


def enlarge(video: Tensor, scale: int) -> Tensor:
    """Repeat every pixel ``scale`` times in both directions."""
    if scale < 1:
        raise ValueError(f"Expected 'scale' to be at least 1 (got {scale})")
    return video.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)


def to_image(picture: Tensor) -> Image.Image:
    """A picture ``[1, h, w]`` or ``[3, h, w]`` for Pillow."""
    from PIL import Image

    return Image.fromarray(as_bytes(picture).expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def to_tensor(image: Image.Image) -> Tensor:
    """Pillow's picture as ``[3, h, w]``, uint8."""
    import numpy as np

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
