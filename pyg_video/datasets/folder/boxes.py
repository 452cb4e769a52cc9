"""Files of boxes beside the videos: COCO for video, MOT, and arrays."""

from __future__ import annotations

import csv
import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..._checks import naming
from ..video.tracks import BoxTracks, Rows, VideoTracks

_LARGEST_FRACTION = 2.0
_ARRAYS = ("clips", "clip_index", "frame_index", "x", "y", "w", "h")
_KINDS = {  # of their numbers
    **dict.fromkeys("xywh", "fiu"),
    **dict.fromkeys(("clip_index", "frame_index", "class_index", "track_index"), "iu"),
}
_MOST_FRAMES = 10**9  # of a video
_Box = tuple[int, str, object, list[float]]  # frame, category, identity, and left, top, width and height


def read_boxes(path: str | os.PathLike[str], *, max_objects: int = 8) -> BoxTracks:
    """Boxes of the objects in videos, from files of one of three kinds.

    - ``.json``: COCO for video. ``videos``, with ``name`` (or ``file_name``, or the folder of ``file_names``), and
      ``annotations``: those of YouTube-VIS have a list ``bboxes``, with null where there is no box; otherwise they
      have ``bbox``, ``image_id`` and, for objects that are followed, ``track_id`` or ``instance_id``, and ``images``
      have ``video_id`` and ``frame_id`` or ``frame_index``, from 0.
    - a folder: MOT, a file ``NAME.csv``, ``NAME.txt`` or ``NAME/gt/gt.txt`` for each video, without a header, with
      frame (from 1), identity (-1 for detections that are not followed), left, top, width, height, and, of ground
      truth, a flag, which is 0 for boxes to be left out, and a class.
    - ``.npz``: arrays of one entry per box, ``clip_index``, ``frame_index`` (from 0) and ``x``, ``y`` (the top left
      corner), ``w``, ``h``; ``clips``, the names of the videos; and, optionally, ``class_index`` with ``classes``, and
      ``track_index``.

    Boxes are in pixels of the video, or of the ``width`` and ``height`` that COCO tells. In a file without these and
    without an edge beyond 2 they are fractions of the frame. Objects that are not followed are told apart by their
    class, and within a frame by their order. Of each video, the objects with the most boxes come first.

    Args:
        path: a file, or a folder of files for MOT.
        max_objects: maximum number of objects per video, :math:`N`.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is of another kind, empty or damaged.

    Example:
        >>> path = getfixture("tmp_path") / "meadow.csv"
        >>> _ = path.write_text("1,7,0,12,32,24\\n3,7,32,12,32,24\\n")
        >>> read_boxes(path.parent).tracks("meadow")[0].box.tolist()
        [[0.0, 12.0, 32.0, 36.0], [32.0, 12.0, 64.0, 36.0]]
    """
    path = Path(path)
    readers = {".json": _coco, ".npz": _arrays}
    if not os.path.exists(path):
        raise FileNotFoundError(f"Expected 'boxes' to be a file or folder of boxes (got '{path}', which is none)")
    if not os.path.isdir(path) and path.suffix.lower() not in readers:
        raise ValueError(
            f"Expected 'boxes' to be .json (COCO), .npz, or a folder of .csv or .txt files (MOT) (got '{path}')"
        )
    found = list(_mot(path) if os.path.isdir(path) else _named(readers[path.suffix.lower()](path), path))
    if not any(item.tracks for item in found):
        raise ValueError(f"Expected boxes in '{path}' (got none)")
    with naming(path, "boxes", "mend the file"):
        return BoxTracks(found, max_objects=max_objects)


def match_names(videos: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """The name among ``known`` of every video that has one: its path with or without suffix, or its file's name.

    Args:
        videos: paths of all videos, relative to the data set.
        known: names in the file of boxes.

    Raises:
        ValueError: no video has a name there, or two have the same.

    Example:
        >>> match_names(["bird/1.mp4", "bird/2.mp4", "cat/3.mp4"], {"bird/1", "2.mp4"})
        {'bird/1.mp4': 'bird/1', 'bird/2.mp4': '2.mp4'}
    """
    names: dict[str, str] = {}
    known = dict.fromkeys(known)
    for video in dict.fromkeys(videos):
        path = PurePosixPath(video)
        for name in (video, str(path.with_suffix("")), path.name, path.stem):
            if name in known:
                names[video] = name
                break
    if not names:
        raise ValueError(
            f"Expected boxes of the videos, such as '{next(iter(videos))}' (got boxes of others, such as "
            f"'{next(iter(known))}'); name them by the path in the folder, or by the file"
        )
    doubled = next((name for name, number in Counter(names.values()).items() if number > 1), None)
    if doubled is not None:
        both = [video for video, name in names.items() if name == doubled]
        raise ValueError(f"Expected boxes of one video by the name '{doubled}' (got {' and '.join(both[:2])})")
    return names


def _named(videos: Iterator[VideoTracks], path: Path) -> Iterator[VideoTracks]:
    """The same; whatever reading raises is an error about this file."""
    with naming(path, "boxes", "mend the file"):
        yield from videos


def _tracks(video: str, boxes: Iterable[_Box], size: tuple[float, float] | None = None) -> VideoTracks:
    """The boxes of a video by object, the longest track first."""
    groups: dict[tuple[str, str, int], Rows] = {}
    seen: Counter[tuple[int, str, object]] = Counter()
    for frame, category, identity, (x, y, w, h) in boxes:
        if not 0 <= frame < _MOST_FRAMES:
            raise ValueError(f"frame {frame} of video {video}, before the first or far too late")
        if not math.isfinite(x + y + w + h):
            continue
        same = seen[frame, category, identity]
        seen[frame, category, identity] += 1
        groups.setdefault((category, str(identity), same), []).append((frame, [x, y, x + w, y + h]))
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return VideoTracks(video, [(category, rows) for (category, _, _), rows in ordered], size)


def _unit(x: Any, y: Any, w: Any, h: Any) -> tuple[float, float] | None:
    """What edges are measured in: frames where none is beyond two of them, else pixels of the video."""
    largest = max(np.nanmax(x + w, initial=0.0), np.nanmax(y + h, initial=0.0))
    return (1.0, 1.0) if largest <= _LARGEST_FRACTION else None


def _arrays(path: Path) -> Iterator[VideoTracks]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as content:  # NumPy leaves a damaged file open
        arrays = dict(content)
    if missing := [name for name in _ARRAYS if name not in arrays]:
        raise ValueError(f"no {', '.join(missing)}")
    if wrong := [name for name, kinds in _KINDS.items() if name in arrays and arrays[name].dtype.kind not in kinds]:
        raise ValueError(f"{wrong[0]} of {arrays[wrong[0]].dtype}")
    x, y, w, h = (arrays[name].astype(np.float64) for name in "xywh")
    clip, frame = arrays["clip_index"].astype(np.int64), arrays["frame_index"].tolist()
    if len({len(part) for part in (x, y, w, h, clip, frame)}) > 1 or (clip.size and clip.min() < 0):
        raise ValueError("arrays of different lengths, or a negative clip_index")
    classes = arrays.get("classes")
    category = arrays.get("class_index", np.zeros(len(clip), np.int64)).tolist()
    names = [str(k) if classes is None else str(classes[k]) for k in category]
    identity = arrays.get("track_index", np.full(len(clip), -1)).tolist()
    edges, size = np.stack([x, y, w, h], axis=-1).tolist(), _unit(x, y, w, h)
    rows: dict[int, list[_Box]] = {}
    for k, place in enumerate(clip.tolist()):
        rows.setdefault(place, []).append((frame[k], names[k], identity[k], edges[k]))
    for place, boxes in rows.items():
        yield _tracks(str(arrays["clips"][place]), boxes, size)


def _mot(folder: Path) -> Iterator[VideoTracks]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".csv", ".txt"))
    truth = {path.parents[1]: path for path in files if path.parts[-2:] == ("gt", "gt.txt")}
    for path in files:
        video = next((parent for parent in path.parents if parent in truth), path.with_suffix(""))
        if truth.get(video, path) == path:  # else detections beside the ground truth
            yield from _named(_mot_file(path, video.relative_to(folder).as_posix()), path)


def _mot_file(path: Path, video: str) -> Iterator[VideoTracks]:
    boxes: list[_Box] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row:
                continue
            try:
                values = [float(value) for value in row[:8]]
            except ValueError as error:
                raise ValueError(f"{error} in line {number}") from error
            if len(values) < 6 or values[0] < 1:
                raise ValueError(f"line {number}, not frame (from 1), identity, left, top, width, height")
            if len(values) < 7 or values[6] != 0:
                category = f"{values[7]:g}" if len(values) > 7 else ""
                boxes.append((_whole(values[0]) - 1, category, _whole(values[1]), values[2:6]))
    edges = np.array([edges for *_, edges in boxes]).reshape(-1, 4)
    yield _tracks(video, boxes, _unit(*edges.T))


def _coco(path: Path) -> Iterator[VideoTracks]:
    content = json.loads(path.read_text(encoding="utf-8"))
    categories = {item["id"]: str(item.get("name", item["id"])) for item in content.get("categories", ())}
    images = {image["id"]: image for image in content.get("images", ())}
    boxes: dict[Any, list[_Box]] = {}
    for item in content["annotations"]:
        category = categories.get(item.get("category_id"), str(item.get("category_id", "")))
        if "bboxes" in item:
            found = [(frame, category, item["id"], box) for frame, box in enumerate(item["bboxes"]) if box]
            boxes.setdefault(item["video_id"], []).extend(found)
            continue
        image = images[item["image_id"]]
        frame = image["frame_id"] if "frame_id" in image else image["frame_index"]
        identity = item.get("track_id", item.get("instance_id", -1))
        boxes.setdefault(image["video_id"], []).append((_whole(frame), category, identity, item["bbox"]))
    if strange := boxes.keys() - {video["id"] for video in content["videos"]}:
        raise ValueError(f"boxes of a video {min(strange, key=str)!r}, which is not among 'videos'")
    first = {image.get("video_id"): image for image in reversed(images.values())}
    for video in content["videos"]:
        own = boxes.get(video["id"], [])
        size = _size(video) or _size(first.get(video["id"], {}))
        edges = np.array([edges for *_, edges in own], dtype=np.float64).reshape(-1, 4)
        yield _tracks(_coco_name(video), own, size or _unit(*edges.T))


def _whole(number: float | str) -> int:
    """A frame or identity, which some files write as 3.0."""
    if float(number) != int(float(number)):
        raise ValueError(f"{number}, which is no whole number")
    return int(float(number))


def _size(item: Mapping[str, Any]) -> tuple[float, float] | None:
    return (float(item["width"]), float(item["height"])) if "width" in item and "height" in item else None


def _coco_name(video: Mapping[str, Any]) -> str:
    if names := video.get("file_names"):
        return str(video.get("name") or PurePosixPath(names[0]).parent)
    return str(video["name"] if "name" in video else video["file_name"])
