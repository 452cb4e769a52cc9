"""Decode frames of video files by number."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..._checks import check_option
from ..._extras import need
from .container_size import declared_size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

BACKENDS = ("av", "torchcodec")
_FAR = 256  # frames from which seeking to a key frame is faster
_REPAIR = "fetch or copy it again; for a whole data set, pyg-video prepare lists all such files"


class VideoFileError(ValueError):
    """A video, or a folder of frames, that is missing, empty, truncated or undecodable.

    Attributes:
        problem: description without the path.
    """

    problem = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str], problem: str, repair: str = _REPAIR) -> VideoFileError:
        """The error for one file."""
        error = cls(f"Expected a whole video in '{os.fspath(path)}' (got {problem}); {repair}")
        error.problem = problem
        return error


class VideoInfo(NamedTuple):
    """Properties of a video file.

    Attributes:
        num_frames: number of frames.
        frame_rate: frames per second.
        height: displayed height, after the rotation stored in the file.
        width: displayed width.
    """

    num_frames: int
    frame_rate: float
    height: int
    width: int


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Count the frames of a video without decoding them, in milliseconds.

    ``.webm`` files do not store their number of frames, so packets are counted.

    Raises:
        VideoFileError: the file is missing, empty, truncated, without video or damaged at its start.
    """
    with _opened(path) as (container, stream):
        times, _ = _times(container, stream)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
    with _opened(path) as (container, stream):
        first = next(container.decode(stream), None)
    if first is None:
        raise VideoFileError.of(path, "no frame that decodes")
    size = (first.height, first.width) if first.rotation % 180 == 0 else (first.width, first.height)
    return VideoInfo(len(times), rate, *size)


def count_frames(path: str | os.PathLike[str]) -> VideoInfo:
    """As :func:`probe_video`, but decodes every frame and counts those that decode.

    Raises:
        VideoFileError: the file is missing, empty, truncated, without video or damaged anywhere.
    """
    info = probe_video(path)
    with _opened(path) as (container, stream):
        whole = [not frame.is_corrupt for frame in container.decode(stream)]
    if not all(whole):
        raise VideoFileError.of(path, f"a damaged file, from frame {whole.index(False)} on")
    return info._replace(num_frames=len(whole))


def decode_frames(path: str | os.PathLike[str], indices: Sequence[int], backend: str = "av") -> Tensor:
    """Decode frames of a video by number, in the given order; numbers may repeat.

    Rotations stored in the file are applied. Frames are counted, not timed, so the frame rate may vary. In long videos
    the decoder seeks to the key frame before a distant frame.

    Args:
        path: video file in any format of ffmpeg.
        indices: frame numbers, from 0.
        backend: ``"av"`` (PyAV, with ffmpeg inside), or ``"torchcodec"``, which is faster and needs the extra
            ``torchcodec`` (``pip install ".[torchcodec]"`` in a checkout) and ffmpeg on the system.

    Shapes:
        - **output:** :math:`(T, 3, H, W)`, uint8, for :math:`T` indices

    Raises:
        VideoFileError: the file is missing, empty, truncated or undecodable, or ends before one of the frames.
        ValueError: a number is negative, or the backend unknown, or without ffmpeg.
        ModuleNotFoundError: the backend is not installed.
    """
    check_backend(backend)
    wanted = sorted(set(indices))
    if not wanted or wanted[0] < 0:
        raise ValueError(f"Expected 'indices' to be frame numbers of at least 0 (got {list(indices)})")
    if backend == "torchcodec":
        return _decode_by_torchcodec(path, indices)
    times: list[int] = []
    keys: list[int] = []
    if wanted[-1] >= _FAR:
        with _opened(path) as (container, stream):
            times, keys = _times(container, stream)
    with _opened(path) as (container, stream):
        if len(set(times)) == len(times) > wanted[-1]:  # each frame has a time of its own
            frames = _by_time(container, stream, wanted, times, keys)
        else:
            shown, numbers = islice(container.decode(stream), wanted[-1] + 1), set(wanted)
            frames = (frame for number, frame in enumerate(shown) if number in numbers)
        found = dict(zip(wanted, map(_as_tensor, frames), strict=False))
    if len(found) < len(wanted):
        raise VideoFileError.of(path, f"no frame number {wanted[len(found)]}, counted from 0")
    size = found[wanted[0]].shape[1:]
    if any(frame.shape[1:] != size for frame in found.values()):
        raise VideoFileError.of(path, "frames of several sizes", "convert it with ffmpeg")
    return torch.stack([found[number] for number in indices])


def check_backend(backend: str) -> None:
    """Raise a :exc:`ValueError` unless a decoder is known and installed."""
    check_option("backend", backend, BACKENDS)
    if backend == "torchcodec":
        try:
            need("torchcodec.decoders", "torchcodec")
        except RuntimeError as error:
            raise ValueError(
                "Expected ffmpeg on the system for 'backend' torchcodec (got none that it can load); "
                "install ffmpeg, or take 'av'"
            ) from error


def check_present(path: str | os.PathLike[str]) -> Path:
    """Raise a :class:`VideoFileError` if a file is missing, empty or shorter than it declares."""
    path = Path(path)
    if not path.is_file():
        raise VideoFileError.of(path, "no file")
    size = path.stat().st_size
    if not size:
        raise VideoFileError.of(path, "an empty file")
    declared = declared_size(path)
    if declared is not None and declared > size:
        raise VideoFileError.of(path, f"a truncated file, {size} of at least {declared} bytes")
    return path


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Container and video stream of a file; errors of ffmpeg are raised as :class:`VideoFileError`."""
    av = need("av", "video")
    path = check_present(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoFileError.of(path, "a file without video")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # data loader workers run in parallel already
            yield container, stream
    except av.FFmpegError as error:
        raise VideoFileError.of(path, f"an undecodable file: {error.strerror}") from error


def _times(container: InputContainer, stream: VideoStream) -> tuple[list[int], list[int]]:
    """Presentation times of all frames and of the key frames, sorted; -1 where a packet has none."""
    packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
    if stream.codec_context.name == "vp8":  # alternate references are separate packets that are not displayed
        packets = [packet for packet in packets if memoryview(packet)[0] & 0x10]
    times = [-1 if packet.pts is None else packet.pts for packet in packets]
    return sorted(times), sorted(time for time, packet in zip(times, packets, strict=True) if packet.is_keyframe)


def _by_time(
    container: InputContainer, stream: VideoStream, wanted: Sequence[int], times: Sequence[int], keys: Sequence[int]
) -> Iterator[VideoFrame]:
    """The frames ``wanted``, found by their times; seeks to a key frame that lies ahead."""
    frames, position = container.decode(stream), -1
    for time in (times[number] for number in wanted):
        ahead = keys[bisect_right(keys, time) - 1] if keys and keys[0] <= time else position
        if ahead > position:
            container.seek(ahead, stream=stream)
            frames = container.decode(stream)
        for frame in frames:
            position = -1 if frame.pts is None else frame.pts
            if position == time:
                yield frame
                break
        else:
            return


def _as_tensor(frame: VideoFrame) -> Tensor:
    """A frame as displayed, ``[3, H, W]``."""
    image = torch.from_numpy(frame.to_ndarray(format="rgb24"))
    return image.rot90(frame.rotation // 90 % 4).permute(2, 0, 1)


def _decode_by_torchcodec(path: str | os.PathLike[str], indices: Sequence[int]) -> Tensor:
    from torchcodec.decoders import VideoDecoder

    path = check_present(path)
    try:
        frames: Tensor = VideoDecoder(str(path), num_ffmpeg_threads=1).get_frames_at(list(indices)).data
    except (RuntimeError, ValueError, IndexError) as error:
        raise VideoFileError.of(path, f"an undecodable file or no such frame: {error}") from error
    return frames
