"""The Something-Else annotations: boxes of hands and objects in videos of Something-Something v2."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..._checks import naming
from ..video.tracks import BoxTracks, Rows, VideoTracks

FRAME_RATE = 12.0  # of the annotations
_MOST_FRAMES = 10**6  # of a video
_FILES = tuple(f"bounding_box_smthsmth_part{part}.json" for part in range(1, 5))


class SomethingElse(BoxTracks):
    """Boxes in pixels by video; objects come before hands, each at a fixed index throughout the video.

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
        found = (item for path in paths for item in _videos(path, None if ids is None else set(ids)))
        with naming(folder, "boxes", "fetch the four files again"):
            super().__init__(found, max_objects=max_objects, frame_rate=FRAME_RATE)


_Groups = dict[tuple[bool, str, int], Rows]


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


def _videos(path: Path, keep: Collection[str] | None) -> Iterator[VideoTracks]:
    """The boxes of the videos of a file, by object."""
    for name, frames in _entries(path):
        if keep is None or name in keep:
            groups = sorted(_grouped(path, name, frames).items())
            yield VideoTracks(name, [(category, rows) for (_, category, _), rows in groups])


def _entries(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
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
