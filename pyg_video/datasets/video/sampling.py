"""Frame sampling: which frames of a video form a clip, by number or by time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import torch
from torch import Generator, Tensor

_ROUNDING = 1e-3  # seconds; many files store times in milliseconds


def segment_indices(num_frames: int, length: int, num_clips: int = 1, *, generator: Generator | None = None) -> Tensor:
    r"""One frame from each of :math:`T` equal segments of the video (sparse sampling, as in TSM).

    With a generator, a random frame of each segment of :math:`\lfloor n / T \rfloor` frames (the published code's
    segments, which leave out the end of the video); without one

    .. math:: \lfloor (k + \phi_s) \, n / T \rfloor, \quad \phi_s = (1/2 + s / S) \bmod 1

    for frame :math:`k` of clip :math:`s` of :math:`S`: the middles of the segments, then, for two clips, their starts.
    Videos with fewer than :math:`T` frames repeat some frames (the published code repeats the first).

    Args:
        num_frames: number of frames of the video, :math:`n`.
        length: frames per clip, :math:`T`.
        num_clips: clips per video, :math:`S`.
        generator: source of random numbers, for training.

    Shapes:
        - **output:** :math:`[S, T]`, int64

    Example:
        >>> segment_indices(12, 4, num_clips=2)
        tensor([[ 1,  4,  7, 10],
                [ 0,  3,  6,  9]])
    """
    _check(num_frames, length, num_clips)
    start = torch.arange(length)
    segment = num_frames // length
    if generator is None or not segment:
        phase = (0.5 + torch.arange(num_clips, dtype=torch.float64) / num_clips) % 1
        return ((start + phase[:, None]) * num_frames / length).floor().long()
    return start * segment + torch.randint(segment, (num_clips, length), generator=generator)


def dense_indices(
    num_frames: int, length: int, num_clips: int = 1, *, window: int = 64, generator: Generator | None = None
) -> Tensor:
    r"""Equally spaced frames from a window of the video (dense sampling, as in I3D).

    The stride is ``window // length``. With a generator the window is random; without one, :math:`S` windows are spread
    evenly over the video, and a single one is centred. Videos shorter than the window are looped.

    Args:
        num_frames: number of frames of the video.
        length: frames per clip, :math:`T`.
        num_clips: clips per video, :math:`S`.
        window: length of the window, in frames of the video.
        generator: source of random numbers, for training.

    Shapes:
        - **output:** :math:`[S, T]`, int64

    Example:
        >>> dense_indices(100, 4, num_clips=3)
        tensor([[ 0, 16, 32, 48],
                [18, 34, 50, 66],
                [36, 52, 68, 84]])
    """
    _check(num_frames, length, num_clips)
    room = max(0, num_frames - window)
    if generator is not None:
        start = torch.randint(room + 1, (num_clips,), generator=generator)
    elif num_clips == 1:
        start = torch.tensor([room // 2])
    else:
        start = torch.arange(num_clips) * room // (num_clips - 1)
    return (start[:, None] + torch.arange(length) * max(1, window // length)) % num_frames


def segment_times(
    start: float, end: float, length: int, num_clips: int = 1, *, generator: Generator | None = None
) -> Tensor:
    r"""One moment from each of :math:`T` equal parts of a time; :func:`segment_indices` for videos of any frame rate.

    With a generator, a random moment of each part; without one, the middles of the parts, then, for two clips, their
    starts.

    Args:
        start: start of the time in seconds.
        end: its end.
        length: frames per clip, :math:`T`.
        num_clips: clips per video, :math:`S`.
        generator: source of random numbers, for training.

    Shapes:
        - **output:** :math:`[S, T]`, float64, seconds

    Example:
        >>> segment_times(1, 3, 4)
        tensor([[1.2500, 1.7500, 2.2500, 2.7500]], dtype=torch.float64)
    """
    phase = (0.5 + torch.arange(num_clips, dtype=torch.float64)[:, None] / num_clips) % 1
    if generator is not None:
        phase = torch.rand(num_clips, length, generator=generator, dtype=torch.float64)
    return start + (torch.arange(length) + phase) * ((end - start) / length)


def dense_times(
    start: float,
    end: float,
    length: int,
    num_clips: int = 1,
    *,
    frame_rate: float,
    generator: Generator | None = None,
) -> Tensor:
    r"""Moments at a given rate from a window of a time; :func:`dense_indices` for videos of any frame rate.

    The window lasts ``length / frame_rate`` seconds. With a generator it lies anywhere; without one, :math:`S` windows
    are spread evenly, and a single one is centred. A time shorter than the window starts over.

    Args:
        start: start of the time in seconds.
        end: its end.
        length: frames per clip, :math:`T`.
        num_clips: clips per video, :math:`S`.
        frame_rate: frames per second of the clips.
        generator: source of random numbers, for training.

    Shapes:
        - **output:** :math:`[S, T]`, float64, seconds

    Example:
        >>> dense_times(0, 10, 4, num_clips=2, frame_rate=2)
        tensor([[0.0000, 0.5000, 1.0000, 1.5000],
                [8.0000, 8.5000, 9.0000, 9.5000]], dtype=torch.float64)
    """
    room = max(0.0, end - start - length / frame_rate)
    share = torch.linspace(0, 1, num_clips, dtype=torch.float64) if num_clips > 1 else torch.tensor([0.5])
    if generator is not None:
        share = torch.rand(num_clips, generator=generator, dtype=torch.float64)
    moment = share[:, None].double() * room + torch.arange(length) / frame_rate
    return start + moment % max(end - start, 1e-9)


def window_parts(start: float, end: float, length: float, step: float) -> Iterator[tuple[float, float]]:
    """Start and end of every window that slides over a time; the last one ends with it, in a shorter one there is one.

    Args:
        start: start of the time in seconds.
        end: its end.
        length: of the windows, in seconds.
        step: from the start of a window to that of the next, in seconds.

    Example:
        >>> list(window_parts(1, 9.5, 4.0, 2.0))
        [(1.0, 5.0), (3.0, 7.0), (5.0, 9.0), (5.5, 9.5)]
        >>> list(window_parts(0, 3, 4.0, 2.0))
        [(0, 3)]
    """
    if end - start <= length + _ROUNDING:
        yield start, end
        return
    for k in count():
        first = start + k * step
        if first + length >= end - _ROUNDING:
            break
        yield first, first + length
    yield end - length, end


def shown_at(times: Tensor, moments: Tensor) -> Tensor:
    """Number of the frame that is shown at each moment: the last one that began before; the first one before all.

    Args:
        times: when each frame begins and the last one ends, from :func:`~.timetable.frame_times`.
        moments: in seconds.

    Example:
        >>> shown_at(torch.tensor([0.0, 0.5, 2.0, 2.5]), torch.tensor([0.1, 0.5, 1.9, 2.4, 9.0]))
        tensor([0, 1, 1, 2, 2])
    """
    return (torch.searchsorted(times, moments + _ROUNDING, right=True) - 1).clamp(0, len(times) - 2)


def _check(num_frames: int, length: int, num_clips: int) -> None:
    if min(num_frames, length, num_clips) < 1:
        raise ValueError(
            "Expected at least one frame in the video, one frame per clip and one clip "
            f"(got {num_frames}, {length} and {num_clips})"
        )
