"""Decoded frames as they are displayed: upright, with square pixels, in RGB."""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .errors import UnreadableError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

_FULL, _LIMITED = 2, 1  # AVCOL_RANGE_JPEG and _MPEG
_BT601, _BT2020 = 5, 9  # SWS_CS_ITU601 and SWS_CS_BT2020
_MATRIX = {1: 1, 4: 4, 7: 7, 9: _BT2020, 10: _BT2020}  # by AVCOL_SPC: BT.709, FCC, SMPTE 240M, BT.2020
_STRAIGHT = math.sin(math.radians(1))  # an angle within one degree of a multiple of 90 counts as such, as in ffmpeg


class Turn(NamedTuple):
    """How a stored picture is laid on the screen: transposed first, then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False


def aspect_of(stream: VideoStream) -> float:
    """Width of a pixel over its height."""
    return float(stream.sample_aspect_ratio or 1)


def as_displayed(frame: VideoFrame, aspect: float, converter: VideoReformatter) -> Tensor:
    """A frame of pixels of an aspect ratio as displayed, ``[3, H, W]``, uint8; frames of a file share a converter.

    The colours follow the matrix and range that the file names, by default BT.601 and the limited range, whichever
    version of PyAV converts them.
    """
    matrix = _MATRIX.get(frame.colorspace, _BT601)
    full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    image = converter.reformat(
        frame,
        width=square_width(frame.width, aspect),
        height=frame.height,
        format="rgb24",
        src_colorspace=matrix,
        dst_colorspace=_BT601 if matrix == _BT2020 else _BT2020,  # without effect on RGB; PyAV below 17 ignores the
        src_color_range=_FULL if full else _LIMITED,  # range if both are equal
        dst_color_range=_FULL,
        **_one_thread(),
    )
    turn = turn_of(frame)
    pixels = torch.from_numpy(image.to_ndarray())
    pixels = pixels.transpose(0, 1) if turn.transpose else pixels
    flipped = [dim for dim, flip in ((1, turn.flip_x), (0, turn.flip_y)) if flip]
    return (pixels.flip(flipped) if flipped else pixels).permute(2, 0, 1)


@cache
def _one_thread() -> dict[str, int]:
    """The option of PyAV to convert without threads of its own, where it has any.

    A process that is forked while there are such threads, as a worker is, could not end them.
    """
    from av.video.reformatter import VideoReformatter

    return {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}


def displayed_size(frame: VideoFrame, aspect: float) -> tuple[int, int]:
    """Height and width of a frame as displayed."""
    size = (frame.height, square_width(frame.width, aspect))
    return size[::-1] if turn_of(frame).transpose else size


def is_plain(frame: VideoFrame, aspect: float) -> bool:
    """Whether a frame is displayed as it is stored."""
    return turn_of(frame) == Turn() and square_width(frame.width, aspect) == frame.width


def turn_of(frame: VideoFrame) -> Turn:
    """The turn that a frame's display matrix asks for.

    Raises:
        UnreadableError: the matrix turns by an angle that is no multiple of 90 degrees.
    """
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload] # by type as well
    if data is None:
        return Turn()
    # Stored column x and row y are shown at a x + c y and b x + d y.
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    if not math.hypot(a, b) or not math.hypot(c, d):
        return Turn()  # no matrix at all
    if max(abs(b) / math.hypot(a, b), abs(c) / math.hypot(c, d)) <= _STRAIGHT:
        return Turn(False, a < 0, d < 0)
    if max(abs(a) / math.hypot(a, b), abs(d) / math.hypot(c, d)) <= _STRAIGHT:
        return Turn(True, c < 0, b < 0)
    angle = math.degrees(math.atan2(b, a)) % 360
    raise UnreadableError(f"frames turned by {angle:.0f} degrees, no multiple of 90", "convert it with ffmpeg")


def square_width(width: int, aspect: float) -> int:
    """Width in square pixels, of the height of the stored ones."""
    return max(1, round(width * aspect))
