"""Videos as folders of JPEG frames, ``00001.jpg`` onwards."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .files import VideoFileError


def frame_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The frames of a folder in order.

    Raises:
        VideoFileError: the folder is missing or empty, or a frame between others is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise VideoFileError.of(folder, "no folder")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".jpg") and name[:-4].isdigit())
    if not names:
        raise VideoFileError.of(folder, "a folder without frames such as 00001.jpg")
    for number, name in enumerate(names, start=1):
        if int(name[:-4]) != number:
            raise VideoFileError.of(folder, f"no frame {number:05d}.jpg, but {name}")
    return [folder / name for name in names]


def decode_jpegs(paths: Sequence[Path]) -> Tensor:
    """Decode the frames of one video with Pillow, as for the published models.

    Shapes:
        - **output:** :math:`(T, 3, H, W)`, uint8

    Raises:
        VideoFileError: a frame is missing, empty, truncated or damaged, or the frames differ in size.
    """
    frames = [_decode_jpeg(path) for path in paths]
    if any(frame.shape != frames[0].shape for frame in frames):
        raise VideoFileError.of(paths[0].parent, "frames of several sizes")
    return torch.stack(frames)


def _decode_jpeg(path: Path) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
    except UnidentifiedImageError as error:
        problem = "an undecodable frame" if path.stat().st_size else "an empty file"
        raise VideoFileError.of(path, problem) from error
    except OSError as error:  # includes truncated images
        raise VideoFileError.of(path, f"an unreadable frame: {error.strerror or error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)
