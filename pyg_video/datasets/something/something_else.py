"""The Something-Else annotations: boxes of hands and objects in videos of Something-Something v2."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..video.tracks import BoxTracks, Rows, VideoTracks

FRAME_RATE = 12.0  # of the annotations
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
        super().__init__(found, max_objects=max_objects, frame_rate=FRAME_RATE)


_Groups = dict[tuple[bool, str, int], Rows]


def _grouped(path: Path, name: str, frames: list[dict[str, Any]]) -> _Groups:
    """All boxes of a video by object; a second hand in a frame belongs to a second track."""
    groups: _Groups = {}
    try:
        for frame in frames:
            number = int(frame["name"].rpartition("/")[2].partition(".")[0]) - 1
            seen: Counter[str] = Counter()
            for label in frame["labels"]:
                category = str(label.get("standard_category", label["category"]))
                edges = [float(label["box2d"][key]) for key in ("x1", "y1", "x2", "y2")]
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
    text = path.read_text(encoding="utf-8")
    decoder = json.JSONDecoder()
    position = text.find("{") + 1
    try:
        while text[(position := _skip(text, position, " \t\r\n,"))] != "}":
            name, position = decoder.raw_decode(text, position)
            frames, position = decoder.raw_decode(text, _skip(text, position, " \t\r\n:"))
            yield name, frames
    except (json.JSONDecodeError, IndexError) as error:
        raise ValueError(f"Expected a whole JSON file in '{path}' (got {error}); fetch it again") from error


def _skip(text: str, position: int, signs: str) -> int:
    while position < len(text) and text[position] in signs:
        position += 1
    return position
