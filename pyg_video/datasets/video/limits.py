"""How many pixels are decoded at most, so that a small file cannot fill the memory."""

from __future__ import annotations

import os

from .errors import VideoFileError

_VARIABLE = "PYG_VIDEO_MAX_PIXELS"
_DEFAULT = 2**29  # 64 frames of 4K in 1.6 GB
_FRAMES = 4  # a decoder holds several frames


def max_pixels() -> int:
    """Pixels of a clip, frames times height times width: :math:`2^{29}`, or the environment's ``PYG_VIDEO_MAX_PIXELS``.

    A single frame may have a quarter of them.

    Raises:
        ValueError: the variable is no positive integer.
    """
    value = os.environ.get(_VARIABLE, str(_DEFAULT))
    if not (value.isascii() and value.isdigit() and int(value)):
        raise ValueError(f"Expected {_VARIABLE} to be a number of pixels of at least 1 (got {value!r})")
    return int(value)


def max_frame_pixels() -> int:
    """Pixels of a single frame."""
    return max(1, max_pixels() // _FRAMES)


def check_pixels(path: str | os.PathLike[str], height: int, width: int, num_frames: int | None = None) -> None:
    """Raise a :class:`VideoFileError` for a frame that is too large, or for too large a clip of such frames."""
    most = max_frame_pixels() if num_frames is None else max_pixels()
    if height * width * (num_frames or 1) > most:
        frames = "a frame" if num_frames is None else f"{num_frames} frames"
        needed = height * width * (num_frames or _FRAMES)
        raise VideoFileError.of(
            path,
            f"{frames} of {height} x {width} pixels, where {most:,} pixels are the limit",
            f"take fewer or smaller frames, or set the environment's {_VARIABLE}={needed}",
        )
