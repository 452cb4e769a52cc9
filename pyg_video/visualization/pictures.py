"""Pictures and animations: tensors to Pillow's images and to files, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pyg_video.visualization.files import write_whole

if TYPE_CHECKING:
    from PIL import Image


def save_gif(path: str | os.PathLike[str], frames: Tensor, fps: float = 5) -> Path:
    r"""Write frames as an animation that repeats for ever; the file appears whole or not at all.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8
    """
    if frames.ndim != 4 or len(frames) == 0 or fps <= 0:
        raise ValueError(
            f"Expected 'frames' of shape [T, 3, H, W], T and 'fps' above 0 (got {list(frames.shape)}, {fps})"
        )
    first, *rest = [to_image(frame) for frame in frames]
    delay = round(1000 / fps)
    return write_whole(
        path,
        lambda file: first.save(file, format="GIF", save_all=True, append_images=rest, duration=delay, loop=0),
    )


def save_png(path: str | os.PathLike[str], picture: Tensor) -> Path:
    r"""Write a picture; the file appears whole or not at all.

    Shapes:
        - **picture:** :math:`[1, h, w]` or :math:`[3, h, w]`, float in [0, 1] or uint8
    """
    return write_whole(path, lambda file: to_image(picture).save(file, format="PNG"))


def as_bytes(video: Tensor) -> Tensor:
    """Floats in [0, 1] as 0 to 255; bytes as they are. On the CPU, where pictures are drawn."""
    video = video.detach().cpu()
    return video.clamp(0, 1).mul(255).round().byte() if video.is_floating_point() else video


def to_image(picture: Tensor) -> Image.Image:
    """A picture ``[1, h, w]`` or ``[3, h, w]`` for Pillow."""
    from PIL import Image

    return Image.fromarray(as_bytes(picture).expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def to_tensor(image: Image.Image) -> Tensor:
    """Pillow's picture as ``[3, h, w]``, uint8."""
    import numpy as np

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
