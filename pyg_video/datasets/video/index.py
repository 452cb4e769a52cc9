"""What is known about the files of a data set, kept in one file beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from ..._files import write_whole

_FORMAT = 1


class CheckedVideo(NamedTuple):
    """What a check found in one video.

    Attributes:
        size: Bytes of the file, or of all frames of a folder.
        mtime: When it was last changed, in nanoseconds.
        num_frames: Frames that decode.
        frame_rate: Frames a second; 0 for a folder of frames.
        problem: What is wrong; "" if nothing is.
    """

    size: int
    mtime: int
    num_frames: int
    frame_rate: float
    problem: str = ""


def fingerprint(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, or of a folder of frames (all sizes together, the latest time).

    Raises:
        OSError: It is not there.
    """
    if not path.is_dir():
        stat = path.stat()
        return stat.st_size, stat.st_mtime_ns
    with os.scandir(path) as entries:
        stats = [entry.stat() for entry in entries]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def index_path(root: str | os.PathLike[str], version: str) -> Path:
    """Where the index of a data set lies."""
    return Path(root) / f"pyg-video-index-{version}.json"


def read_index(path: str | os.PathLike[str]) -> dict[str, CheckedVideo]:
    """What was known when the index was written; nothing if there is none, or a damaged one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            return {}
        return {name: CheckedVideo(*values) for name, values in content["videos"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_index(path: str | os.PathLike[str], videos: dict[str, CheckedVideo]) -> None:
    """Write the index; it appears whole or not at all."""
    write_whole(path, json.dumps({"format": _FORMAT, "videos": videos}, separators=(",", ":")))
