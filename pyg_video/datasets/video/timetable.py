"""When which frame of a video is shown: the numbers of its frames."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..._extras import need
from .containers import is_shown, opened, packets_of
from .errors import VideoFileError, errors_of
from .picture import aspect_of, displayed_size, is_plain
from .shards import found

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

_FIRST = 3  # frames that are decoded to see whether the file's times are those of its frames


class Timetable(NamedTuple):
    """The frames of a video.

    Frames are numbered by the times at which they are shown, if the file stores the time of every frame and its first
    frames are shown at these times. Of other files (AVI with reordered frames, MPEG-PS, GIF, ...) all frames are
    decoded and counted, and ``times`` is empty.

    Attributes:
        num_frames: number of frames.
        frame_rate: frames per second.
        height: displayed height.
        width: displayed width.
        coded_size: width and height as stored, of all frames.
        aspect: width of a stored pixel over its height.
        plain: whether frames are displayed as stored: not turned, mirrored or stretched.
        codec: ffmpeg's name of the decoder.
        stream: number of the video stream in the file.
        unit: seconds of a unit of time of the file.
        times: of the frames, in these units, ascending.
        keys: those of the key frames.
        seeks: for each key frame, the time to seek to.
    """

    num_frames: int
    frame_rate: float
    height: int
    width: int
    coded_size: tuple[int, int]
    aspect: float
    plain: bool
    codec: str
    stream: int
    unit: float
    times: Sequence[int]
    keys: Sequence[int]
    seeks: Sequence[int]


def frame_times(table: Timetable) -> Tensor:
    """When each frame is shown, in seconds from the first on, and at the end when the last one is over.

    Where the file stores no times, frames are equally spaced.

    Shapes:
        - **output:** :math:`[n + 1]`, float64, for :math:`n` frames
    """
    step = 1 / (table.frame_rate or 1.0)
    if not table.times:
        return torch.arange(table.num_frames + 1, dtype=torch.float64) * step
    times = torch.tensor(table.times, dtype=torch.float64)
    times = (times - times[0]) * table.unit
    return torch.cat([times, times[-1:] + step])


class _Entry(NamedTuple):
    """A packet with a frame to be shown."""

    time: int | None
    decoding_time: int | None
    is_key: bool


def timetable(path: Path) -> Timetable:
    """The timetable of a file; read once for each state of the file.

    Raises:
        VideoFileError: the file is missing, empty, truncated, without video or damaged at its start.
    """
    with errors_of(path):
        location = found(path)
    return _timetable(str(path), location.start, location.size, location.modified)


@lru_cache(maxsize=1024)
def _timetable(path: str, *_state: int) -> Timetable:
    with opened(path) as (container, stream):
        entries: list[_Entry] = []
        shown: list[VideoFrame] = []
        for packet in packets_of(container, stream):
            if is_shown(packet, stream.codec_context.name):
                entries.append(_Entry(packet.pts, packet.dts, packet.is_keyframe))
            if len(shown) < _FIRST:
                shown += decoded(packet)
        if not shown:
            raise VideoFileError.of(path, "no frame that decodes")
        trusted = _are_trusted(entries, [frame.pts for frame in shown])
        times = array("q", sorted(entry.time for entry in entries if entry.time is not None) if trusted else ())
        rate, aspect = _frame_rate(stream, times), aspect_of(stream)
        table = Timetable(
            len(times),
            rate,
            *displayed_size(shown[0], aspect),
            (shown[0].width, shown[0].height),
            aspect,
            is_plain(shown[0], aspect),
            stream.codec_context.name,
            stream.index,
            float(stream.time_base or 0),
            times,
            *_keys(entries if trusted else ()),
        )
    return table if trusted else table._replace(num_frames=_count(path), frame_rate=_guessed_rate(path))


def decoded(packet: Packet[VideoStream]) -> list[VideoFrame]:
    """The frames that a decoder gives for a packet; none where it fails."""
    try:
        return packet.decode()
    except need("av", "video").FFmpegError:
        return []


def _are_trusted(entries: Sequence[_Entry], shown: Sequence[int | None]) -> bool:
    """Whether every frame has a time of its own, at which it is shown, and key frames are stored in their order."""
    times = [entry.time for entry in entries if entry.time is not None]
    keys = [entry.time for entry in entries if entry.is_key and entry.time is not None]
    complete = len(times) == len(entries) == len(set(times)) > 0
    return complete and all(a < b for a, b in pairwise(keys)) and list(shown) == sorted(times)[: len(shown)]


def _keys(entries: Iterable[_Entry]) -> tuple[array[int], array[int]]:
    """Times of the key frames, and times to seek to: decoding times, by which most formats seek, where stored."""
    keys = [entry for entry in entries if entry.is_key and entry.time is not None]
    seeks = (e.time if e.decoding_time is None else min(e.time or 0, e.decoding_time) for e in keys)
    return array("q", (entry.time or 0 for entry in keys)), array("q", (time or 0 for time in seeks))


def _frame_rate(stream: VideoStream, times: Sequence[int]) -> float:
    if stream.average_rate:
        return float(stream.average_rate)
    if len(times) > 1 and stream.time_base:
        return float((len(times) - 1) / ((times[-1] - times[0]) * stream.time_base))
    return float(stream.guessed_rate or 0)


def _guessed_rate(path: str) -> float:
    with opened(path, guess=True) as (_, stream):
        return _frame_rate(stream, ())


def _count(path: str) -> int:
    with opened(path) as (container, stream):
        return sum(len(decoded(packet)) for packet in packets_of(container, stream))
