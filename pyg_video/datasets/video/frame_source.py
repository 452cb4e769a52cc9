"""Where the frames of videos come from: decoded when they are wanted, or made before."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .files import decode_frames
from .timetable import frame_times, timetable


class VideoTimes(NamedTuple):
    """What a data set needs to know about a video before it reads frames.

    Attributes:
        times: when each frame is shown, and at the end when the last one is over, in seconds, :math:`[n + 1]`, float64.
        frame_rate: frames per second.
        height: height of the video in pixels.
        width: its width.
    """

    times: Tensor
    frame_rate: float
    height: int
    width: int


class FrameSource(Protocol):
    """Frames of videos by number."""

    def about(self, path: Path) -> VideoTimes:
        """Times and size of a video."""

    def read(self, path: Path, number: Tensor) -> Tensor:
        """Frames of a video, in any order and size; numbers may repeat.

        Shapes:
            - **number:** :math:`(*)`, int64
            - **output:** :math:`(*, 3, H, W)`, uint8
        """


class DecodedFrames:
    """Frames that are decoded when they are wanted, see :func:`~pyg_video.datasets.decode_frames`.

    Args:
        backend: decoder.
        on_corrupt: what to do about damaged frames.
    """

    def __init__(self, backend: str = "av", on_corrupt: str = "raise") -> None:
        self.backend, self.on_corrupt = backend, on_corrupt

    def about(self, path: Path) -> VideoTimes:
        table = timetable(path)
        return VideoTimes(frame_times(table), table.frame_rate, table.height, table.width)

    def read(self, path: Path, number: Tensor) -> Tensor:
        once, place = torch.unique(number, return_inverse=True)
        return decode_frames(path, once.tolist(), self.backend, on_corrupt=self.on_corrupt)[place]
