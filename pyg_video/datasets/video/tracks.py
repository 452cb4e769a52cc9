"""Boxes of several objects in every frame of many videos, each object with a place of its own."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Rows = list[tuple[int, list[float]]]
"""Frame number and left, top, right and bottom edge of every box of an object."""


class Track(NamedTuple):
    """The boxes of one object.

    Attributes:
        category: its name or number.
        frame: numbers of the frames with a box, from 0, ascending, :math:`[M]`, int32.
        box: left, top, right and bottom edge, :math:`[M, 4]`, float32.
    """

    category: str
    frame: Tensor
    box: Tensor


class VideoTracks(NamedTuple):
    """The annotations of a video, as :class:`BoxTracks` takes them.

    Attributes:
        video: name of the video.
        tracks: category of every object, and number of the frame and edges (left, top, right, bottom) of its boxes.
        size: width and height of the frames that the edges are measured in: ``(1, 1)`` for fractions, None for pixels
            of the video.
    """

    video: str
    tracks: Sequence[tuple[str, list[tuple[int, list[float]]]]]
    size: tuple[float, float] | None = None


class BoxTracks:
    """Boxes by video; every object has a fixed index throughout its video.

    Args:
        videos: the annotations of every video.
        max_objects: maximum number of objects per video, :math:`N`; the first ones of each are kept.
        frame_rate: of the annotations, in frames per second; None if their frames are those of the videos.

    Raises:
        ValueError: ``max_objects`` is below 1, or a video comes twice.

    Example:
        >>> ball = ("ball", [(0, [0.0, 12.0, 32.0, 36.0]), (2, [32.0, 12.0, 64.0, 36.0])])
        >>> BoxTracks([VideoTracks("1", [ball])], max_objects=1).boxes("1", torch.arange(3), 25.0, height=48, width=64)
        tensor([[[0.2500, 0.5000, 0.5000, 0.5000]],
        <BLANKLINE>
                [[   nan,    nan,    nan,    nan]],
        <BLANKLINE>
                [[0.7500, 0.5000, 0.5000, 0.5000]]])
    """

    def __init__(self, videos: Iterable[VideoTracks], *, max_objects: int = 8, frame_rate: float | None = None) -> None:
        if max_objects < 1:
            raise ValueError(f"Expected 'max_objects' of at least 1 (got {max_objects})")
        self.max_objects, self.frame_rate = max_objects, frame_rate
        # All boxes in two arrays: a million small tensors would need some gigabytes.
        frame, box = array("i"), array("f")
        self._where: dict[str, list[tuple[str, int, int]]] = {}
        self._size: dict[str, tuple[float, float]] = {}
        for video, tracks, size in videos:
            if video in self._where:
                raise ValueError(f"boxes of the video '{video}' twice")
            where = self._where[video] = []
            if size is not None:
                self._size[video] = size
            for category, rows in tracks[:max_objects]:
                where.append((category, len(frame), len(frame) + len(rows)))
                for number, edges in sorted(rows):
                    frame.append(number)
                    box.extend(edges)
        self._frame = torch.from_numpy(np.array(frame))
        self._box = torch.from_numpy(np.array(box)).view(-1, 4)

    @property
    def ids(self) -> list[str]:
        """Names of the annotated videos."""
        return list(self._where)

    def tracks(self, video: str) -> list[Track]:
        """The boxes of a video by object; empty without annotations."""
        return [
            Track(category, self._frame[start:end], self._box[start:end])
            for category, start, end in self._where.get(video, [])
        ]

    def boxes(self, video: str, frame: Tensor, frame_rate: float, height: int, width: int) -> Tensor:
        """Boxes in given frames of a video, as fractions of the frame; NaN where an object has none.

        Args:
            video: name of the video; without annotations it has no boxes.
            frame: numbers of the frames.
            frame_rate: of the video.
            height: height of the video in pixels.
            width: width of the video in pixels.

        Shapes:
            - **frame:** :math:`[*]`, int64
            - **output:** :math:`[*, N, 4]`, float32 ``cxcywh`` in [0, 1]
        """
        box = torch.full((*frame.shape, self.max_objects, 4), torch.nan)
        ratio = 1.0 if self.frame_rate is None else self.frame_rate / (frame_rate or self.frame_rate)
        annotated = (frame.double() * ratio).round().long()
        w, h = self._size.get(video, (width, height))
        for place, track in enumerate(self.tracks(video)):
            at = torch.searchsorted(track.frame, annotated).clamp(max=len(track.frame) - 1)
            edges = track.box[at] / torch.tensor([w, h, w, h])
            low, high = edges.clamp(0, 1).split(2, dim=-1)
            found = (track.frame[at] == annotated)[..., None] & (high > low).all(-1, keepdim=True)
            centred = torch.cat([(low + high) / 2, high - low], dim=-1)
            box[..., place, :] = centred.where(found, torch.nan)
        return box
