"""H.264 videos, written frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._extras import need
from .._files import whole_file
from .pictures import as_bytes, check_frames

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

_OPTIONS = {"crf": "18"}
_BT601, _LIMITED = 6, 1  # AVCOL_SPC_SMPTE170M and AVCOL_RANGE_MPEG, to which frames are converted


def save_mp4(path: str | os.PathLike[str], frames: Tensor, fps: float = 5) -> Path:
    r"""Write frames as an H.264 video, atomically.

    The format requires even sizes; of odd ones, the last row or column is repeated.

    Shapes:
        - **frames:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`, float in [0, 1] or uint8

    Raises:
        ValueError: the frames have another shape or type, or ``fps`` is not above 0.

    Example:
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(8, 1, 40, 40))
        >>> from pyg_video.datasets import probe_video
        >>> probe_video(path).num_frames
        8
    """
    check_frames(frames, fps)
    rate = Fraction(fps).limit_denominator(1000)
    with open_film(path, frames.shape[-2], frames.shape[-1], rate) as film:
        for number, frame in enumerate(frames):
            film.write(frame, number / rate)
    return Path(path)


class Film:
    """An H.264 video that is being written; see :func:`open_film`."""

    def __init__(
        self,
        container: OutputContainer,
        height: int,
        width: int,
        rate: Fraction,
        unit: Fraction,
        sound: AudioStream | None,
    ) -> None:
        self._container, self._unit, self._last = container, unit, -1
        self._stream = stream = container.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
        stream.codec_context.time_base = unit
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, _LIMITED
        self._sound = None if sound is None else _copied(container, sound)

    def write(self, frame: Tensor, time: float | Fraction) -> None:
        """Append a frame, ``[1, H, W]`` or ``[3, H, W]``, to be shown at a time in seconds."""
        av = need("av", "video")
        pixels = as_bytes(frame).expand(3, -1, -1)
        for dim, length in ((-2, self._stream.height), (-1, self._stream.width)):
            if pixels.size(dim) < length:
                pixels = torch.cat([pixels, pixels.narrow(dim, -1, 1)], dim=dim)
        picture = av.VideoFrame.from_ndarray(pixels.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
        self._last = max(self._last + 1, round(time / self._unit))
        picture.pts, picture.time_base = self._last, self._unit
        self._container.mux(self._stream.encode(picture))

    def add_sound(self, packet: Packet[AudioStream]) -> None:
        """Append a packet of the sound, as it is."""
        assert self._sound is not None
        packet.stream = self._sound
        self._container.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode())


@contextmanager
def open_film(
    path: str | os.PathLike[str],
    height: int,
    width: int,
    rate: Fraction,
    *,
    unit: Fraction | None = None,
    sound: AudioStream | None = None,
) -> Iterator[Film]:
    """Write an H.264 video frame by frame; the file is there when the block ends without an error.

    Args:
        path: the file.
        height: of the frames.
        width: of the frames.
        rate: frames per second.
        unit: seconds of a unit of time, for frames at times of their own; by default that of a frame.
        sound: stream of another file whose packets are to be added.

    Raises:
        ValueError: an mp4 file cannot hold this sound.
    """
    with whole_file(path) as draft:
        av = need("av", "video")
        with av.open(str(draft), "w", format="mp4") as container:
            film = Film(container, height, width, rate, unit or 1 / rate, sound)
            yield film
            film.finish()


def _copied(container: OutputContainer, sound: AudioStream) -> AudioStream:
    try:
        return container.add_stream_from_template(sound)
    except (ValueError, need("av", "video").FFmpegError) as error:
        name = sound.codec_context.name
        raise ValueError(
            f"Expected sound that an mp4 file can hold, such as aac (got {name}); leave the sound out"
        ) from error
