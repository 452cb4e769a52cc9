"""Decode frames of video files by number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..._checks import check_option
from ..._extras import need
from . import shards
from .errors import VideoFileError
from .limits import check_pixels
from .reading import Damage, FrameReader
from .timetable import Timetable, timetable

BACKENDS = ("av", "torchcodec")
_SAME_TIME = 1e-4  # seconds
# Their decoders wait for a key frame; those of MPEG-4 show something from the middle of a group of pictures on.
_STRICT = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d")


class VideoInfo(NamedTuple):
    """Properties of a video file.

    Attributes:
        num_frames: number of frames.
        frame_rate: frames per second.
        height: height as displayed, in square pixels and after the rotation stored in the file.
        width: width as displayed.
    """

    num_frames: int
    frame_rate: float
    height: int
    width: int


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Count the frames of a video, in milliseconds where the file stores the time of each.

    Files that do not (AVI and MPEG-PS with reordered frames, GIF) are decoded. What was found is remembered until the
    file changes.

    Raises:
        VideoFileError: the file is missing, empty, truncated, too large, without video or damaged at its start.
    """
    return VideoInfo(*timetable(Path(path))[:4])


def examine_video(path: str | os.PathLike[str]) -> tuple[VideoInfo, list[int]]:
    """As :func:`probe_video`, but decodes every frame; also gives the numbers of the damaged ones.

    Raises:
        VideoFileError: as :func:`probe_video`, or frames differ in size.
    """
    path = Path(path)
    table, damage = timetable(path), Damage(path, "skip")
    FrameReader(path, table, damage).read((), check_all=True)
    return VideoInfo(*table[:4]), sorted(damage.numbers)


def decode_frames(
    path: str | os.PathLike[str],
    indices: Sequence[int],
    backend: str = "av",
    *,
    on_corrupt: str = "raise",
    check_all: bool = False,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Decode frames of a video by number, in the given order; numbers may repeat.

    Frames are as displayed: turned and mirrored as the file says, in square pixels, in the colours of the matrix and
    range that it names. They are counted, not timed, so the frame rate may vary. In any order and of any container
    these are the frames that decoding all in order gives; the decoder seeks to a key frame where the file allows it.

    Only the file itself is opened: playlists, lists of files, patterns, pictures and text are refused. The variable
    ``PYG_VIDEO_MAX_PIXELS`` of the environment is the number of pixels of a clip at most, by default :math:`2^{29}`.

    Args:
        path: video file in any format of ffmpeg that holds video: mp4, mov, mkv, webm, avi, ts, mpg, flv, gif, ...
        indices: frame numbers, from 0.
        backend: ``"av"`` (PyAV, with ffmpeg inside), or ``"torchcodec"``, which is faster and needs the extra
            ``torchcodec`` (``pip install ".[torchcodec]"`` in a checkout) and ffmpeg on the system. PyAV decodes
            in both cases where torchcodec gives frames of other times, and files without times of their frames, with
            frames that are turned, mirrored or stretched, or of other codecs than H.264, HEVC, VP8, VP9 and AV1.
        on_corrupt: for frames that are damaged: ``"raise"``; ``"warn"`` and take what the decoder makes of them; or
            ``"skip"`` them and take the frame before. Damage that PyAV meets on the way to the frames counts.
        check_all: decode all other frames as well, so that damage anywhere in the file counts.
        transform: applied to every frame as soon as PyAV has decoded it, :math:`(3, H, W)` to a smaller one, so that
            only the latter need fit the memory.

    Shapes:
        - **output:** :math:`(T, 3, H, W)`, uint8, for :math:`T` indices

    Raises:
        VideoFileError: the file is missing, empty, truncated, damaged, too large or undecodable, its frames differ in
            size, or it ends before one of them.
        ValueError: a number is negative, or the backend or ``on_corrupt`` unknown, or the backend without ffmpeg.
        ModuleNotFoundError: the backend is not installed.
    """
    check_backend(backend)
    path = Path(path)
    damage = Damage(path, on_corrupt)
    wanted = sorted(set(indices))
    if not wanted or wanted[0] < 0:
        raise ValueError(f"Expected 'indices' to be frame numbers of at least 0 (got {list(indices)})")
    table = timetable(path)
    if wanted[-1] >= table.num_frames:
        first = next(number for number in wanted if number >= table.num_frames)
        raise VideoFileError.of(path, f"no frame number {first}, counted from 0")
    if transform is None:
        check_pixels(path, table.height, table.width, len(indices))
    if backend == "torchcodec" and transform is None and table.plain and table.times and table.codec in _STRICT:
        frames = _by_torchcodec(path, table, indices)
        if frames is not None:
            return frames
    found = FrameReader(path, table, damage, transform).read(wanted, check_all=check_all)
    damage.tell()
    if len(found) < len(wanted):
        raise VideoFileError.of(path, f"no frame number {wanted[len(found)]}, counted from 0")
    place = {number: k for k, number in enumerate(wanted)}
    return torch.stack([found[place[number]] for number in indices])


def iter_frames(
    path: str | os.PathLike[str], indices: Iterable[int] | None = None, *, on_corrupt: str = "raise"
) -> Iterator[tuple[int, Tensor]]:
    """Decode frames of a video in order, one at a time; memory does not depend on the length of the video.

    Frames, damage and errors are those of :func:`decode_frames`. All frames are decoded, so damage anywhere in the file
    counts, at the latest when the last frame has been given.

    Args:
        path: video file.
        indices: numbers of the frames to give, ascending; they may be generated on the way. By default all.
        on_corrupt: for damaged frames.

    Returns:
        An iterator over the numbers and the frames :math:`(3, H, W)`, uint8.

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "clip.mp4", torch.rand(8, 1, 40, 40))
        >>> [(number, frame.shape) for number, frame in iter_frames(path, [2, 5])]
        [(2, torch.Size([3, 40, 40])), (5, torch.Size([3, 40, 40]))]
    """
    path = Path(path)
    damage = Damage(path, on_corrupt)
    table = timetable(path)
    every = range(table.num_frames)
    numbers, wanted = tee(every if indices is None else _within(path, indices, every))
    frames = FrameReader(path, table, damage).each(wanted, check_all=True)
    for frame in frames:
        yield next(numbers), frame
    if (missing := next(numbers, None)) is not None:
        raise VideoFileError.of(path, f"no frame number {missing}, counted from 0")
    damage.tell()


def _within(path: Path, numbers: Iterable[int], known: range) -> Iterator[int]:
    for number in numbers:
        if number not in known:
            raise VideoFileError.of(path, f"no frame number {number}, counted from 0")
        yield number


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


def _by_torchcodec(path: Path, table: Timetable, indices: Sequence[int]) -> Tensor | None:
    """The frames; None where torchcodec fails or gives others, such as those after a seek that landed too late."""
    from torchcodec.decoders import VideoDecoder

    try:
        decoder = VideoDecoder(shards.found(path).url()[0], stream_index=table.stream, num_ffmpeg_threads=1)
        found = decoder.get_frames_at(list(indices))
    except (RuntimeError, ValueError, IndexError):
        return None
    expected = torch.tensor([table.times[number] for number in indices], dtype=torch.float64) * table.unit
    return found.data if torch.allclose(found.pts_seconds.double(), expected, rtol=0, atol=_SAME_TIME) else None
