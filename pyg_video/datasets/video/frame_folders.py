"""Videos as folders of JPEG frames, ``00001.jpg`` onwards."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .errors import VideoFileError, errors_of
from .limits import check_pixels
from .reading import Damage

_FORMATS = ("JPEG", "PNG", "WEBP")  # no format that runs programs or holds many pictures


def frame_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The frames of a folder in order.

    Raises:
        VideoFileError: the folder is missing or empty, or a frame between others is missing.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise VideoFileError.of(folder, "no folder")
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"[0-9]+\.jpg", name))
    if not names:
        raise VideoFileError.of(folder, "a folder without frames such as 00001.jpg")
    for number, name in enumerate(names, start=1):
        if int(name[:-4]) != number:
            raise VideoFileError.of(folder, f"no frame {number:05d}.jpg, but {name}")
    return [folder / name for name in names]


def decode_jpegs(paths: Sequence[Path], on_corrupt: str = "raise") -> Tensor:
    """Decode frames of one video with Pillow, as for the published models.

    Args:
        paths: the frames.
        on_corrupt: for frames that do not decode: ``"raise"``, ``"warn"`` or ``"skip"``; then the frame before in
            ``paths`` takes their place.

    Shapes:
        - **output:** :math:`(T, 3, H, W)`, uint8

    Raises:
        VideoFileError: a frame is missing, empty, truncated, damaged or too large, or the frames differ in size.
    """
    damage = Damage(paths[0].parent, on_corrupt)
    decoded = {path: _decoded(path, damage) for path in dict.fromkeys(paths)}
    damage.tell()
    whole = [frame for frame in decoded.values() if frame is not None]
    if not whole:
        raise VideoFileError.of(paths[0].parent, "no frame that decodes")
    if any(frame.shape != whole[0].shape for frame in whole):
        raise VideoFileError.of(paths[0].parent, "frames of several sizes")
    height, width = whole[0].shape[1:]
    check_pixels(paths[0].parent, height, width, len(paths))
    last, frames = whole[0], []
    for path in paths:
        last = last if (frame := decoded[path]) is None else frame
        frames.append(last)
    return torch.stack(frames)


def examine_folder(folder: str | os.PathLike[str]) -> tuple[int, list[str]]:
    """Decode all frames of a folder: their number, and what is wrong with each damaged one.

    Raises:
        VideoFileError: the folder is missing or empty, a frame between others is missing, or the frames differ in size.
    """
    files = frame_files(folder)
    sizes, wrong = set(), []
    for path in files:
        try:
            sizes.add(_decode_jpeg(path).shape)
        except VideoFileError as error:
            wrong.append(f"{error.problem}, {path.name}")
    if len(sizes) > 1:
        raise VideoFileError.of(folder, "frames of several sizes")
    return len(files), wrong


def _decoded(path: Path, damage: Damage) -> Tensor | None:
    try:
        return _decode_jpeg(path)
    except VideoFileError:
        if damage.on_corrupt == "raise":
            raise
        damage.met(int(path.stem) - 1)
        return None


def _decode_jpeg(path: Path) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    with errors_of(path):
        try:
            with Image.open(path, formats=_FORMATS) as image:
                check_pixels(path, image.height, image.width)
                pixels = np.array(image.convert("RGB"))
        except UnidentifiedImageError as error:
            problem = "an undecodable frame" if path.stat().st_size else "an empty file"
            raise VideoFileError.of(path, problem) from error
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # includes truncated images
            reason = getattr(error, "strerror", None) or error
            raise VideoFileError.of(path, f"an unreadable frame: {reason}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)
