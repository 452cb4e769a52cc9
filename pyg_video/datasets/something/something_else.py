"""The Something-Else annotations: boxes of hands and objects in videos of Something-Something v2."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

FRAME_RATE = 12.0  # of the annotations
_MOST_FRAMES = 10**6  # of a video
_FILES = tuple(f"bounding_box_smthsmth_part{part}.json" for part in range(1, 5))


class Track(NamedTuple):
    """The boxes of one object or hand.

    Attributes:
        category: ``"hand"``, or the number of the placeholder that the object stands for, as ``"0000"``.
        frame: numbers of the frames with a box, from 0, at 12 frames per second, :math:`[M]`, int32.
        box: left, top, right and bottom edge in pixels of the video, :math:`[M, 4]`, float32.
    """

    category: str
    frame: Tensor
    box: Tensor


class SomethingElse:
    """Boxes by video; objects come before hands, each at a fixed index throughout the video.

    From the paper `"Something-Else: Compositional Action Recognition with Spatial-Temporal Interaction Networks"
    <https://arxiv.org/abs/1912.09930>`_ (CVPR 2020).

    Args:
        folder: holds the four published files, ``bounding_box_smthsmth_part1.json`` to ``..._part4.json``. They hold
            some gigabytes and are parsed one video at a time.
        ids: videos to keep; None for all.
        max_objects: maximum number of objects and hands per video, :math:`N`.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: a file is damaged.
    """

    def __init__(
        self, folder: str | os.PathLike[str], ids: Collection[str] | None = None, *, max_objects: int = 8
    ) -> None:
        paths = [Path(folder) / name for name in _FILES]
        if missing := [path.name for path in paths if not path.is_file()]:
            raise FileNotFoundError(
                f"Expected all four files of Something-Else in 'boxes' (got '{os.fspath(folder)}' without "
                f"{', '.join(missing)}); fetch them from the links of github.com/joaanna/something_else"
            )
        if max_objects < 1:
            raise ValueError(f"Expected 'max_objects' of at least 1 (got {max_objects})")
        self.max_objects = max_objects
        keep = None if ids is None else set(ids)
        # All boxes in two arrays: a million small tensors would need some gigabytes.
        frame, box = array("i"), array("f")
        self._where: dict[str, list[tuple[str, int, int]]] = {}
        for path in paths:
            for name, frames in _videos(path):
                if keep is not None and name not in keep:
                    continue
                where = self._where[name] = []
                for (_, category, _), found in sorted(_grouped(path, name, frames).items())[:max_objects]:
                    where.append((category, len(frame), len(frame) + len(found)))
                    for number, edges in sorted(found):
                        frame.append(number)
                        box.extend(edges)
        self._frame = torch.from_numpy(np.array(frame))
        self._box = torch.from_numpy(np.array(box)).view(-1, 4)

    @property
    def ids(self) -> list[str]:
        """Ids of the annotated videos."""
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
            video: id of the video; without annotations it has no boxes.
            frame: numbers of the frames.
            frame_rate: of the video; the annotations have 12 frames per second.
            height: height of the video in pixels.
            width: width of the video in pixels.

        Shapes:
            - **frame:** :math:`[*]`, int64
            - **output:** :math:`[*, N, 4]`, float32 ``cxcywh`` in [0, 1]
        """
        box = torch.full((*frame.shape, self.max_objects, 4), torch.nan)
        annotated = (frame.double() * (FRAME_RATE / (frame_rate or FRAME_RATE))).round().long()
        for place, track in enumerate(self.tracks(video)):
            at = torch.searchsorted(track.frame, annotated).clamp(max=len(track.frame) - 1)
            edges = track.box[at] / torch.tensor([width, height, width, height])
            low, high = edges.clamp(0, 1).split(2, dim=-1)
            found = (track.frame[at] == annotated)[..., None] & (high > low).all(-1, keepdim=True)
            centred = torch.cat([(low + high) / 2, high - low], dim=-1)
            box[..., place, :] = centred.where(found, torch.nan)
        return box


_Groups = dict[tuple[bool, str, int], list[tuple[int, list[float]]]]


def _grouped(path: Path, name: str, frames: list[dict[str, Any]]) -> _Groups:
    """All boxes of a video by object; a second hand in a frame belongs to a second track."""
    groups: _Groups = {}
    try:
        for frame in frames:
            number = int(frame["name"].rpartition("/")[2].partition(".")[0]) - 1
            if not 0 <= number < _MOST_FRAMES:
                raise ValueError(f"frame number {number + 1}")
            seen: Counter[str] = Counter()
            for label in frame["labels"]:
                category = str(label.get("standard_category", label["category"]))
                edges = [float(label["box2d"][key]) for key in ("x1", "y1", "x2", "y2")]
                if not all(map(math.isfinite, edges)):
                    raise ValueError(f"a box of {edges}")
                groups.setdefault((category == "hand", category, seen[category]), []).append((number, edges))
                seen[category] += 1
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"Expected annotations of video {name} in '{path}' (got {error!r}); fetch it again") from error
    return groups


def _videos(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The entries of a large JSON object, parsed one by one: all at once would need ten times the file's size."""
    decoder = json.JSONDecoder()
    seen = set[str]()
    try:
        text = path.read_text(encoding="utf-8")
        _, position = _sign(text, 0, "{")
        sign = "," if text.startswith('"', _next(text, position)) else ""
        while sign == ",":
            name, position = decoder.raw_decode(text, _next(text, position))
            if not isinstance(name, str) or name in seen:
                raise ValueError(f"{name!r}, which is no name of another video")
            seen.add(name)
            frames, position = decoder.raw_decode(text, _next(text, _sign(text, position, ":")[1]))
            yield name, frames
            sign, position = _sign(text, position, ",}")
        if not sign:
            _, position = _sign(text, position, "}")
        if (end := _next(text, position)) < len(text):
            raise ValueError(f"more after the end: {text[end : end + 20]!r}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected a whole JSON file in '{path}' (got {error}); fetch it again") from error


def _next(text: str, position: int) -> int:
    """Position of the next sign that is no white space."""
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _sign(text: str, position: int, expected: str) -> tuple[str, int]:
    """The next sign, and the position after it."""
    position = _next(text, position)
    sign = text[position : position + 1]
    if not sign or sign not in expected:
        raise ValueError(f"{sign!r} at {position} where {' or '.join(expected)} belongs")
    return sign, position + 1
