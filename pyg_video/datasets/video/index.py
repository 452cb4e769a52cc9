"""Index of checked video files, stored beside them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import NamedTuple

from ..._files import write_whole
from .shards import locate

_FORMAT = 2


class CheckedVideo(NamedTuple):
    """Result of checking one video.

    Attributes:
        size: size in bytes of the file, or of all frames of a folder.
        mtime: modification time in nanoseconds.
        num_frames: frames that decode.
        frame_rate: frames per second; 0 for a folder of frames.
        problem: description of the problem; "" if there is none.
        damage: which frames are damaged, in words; "" if none are.
    """

    size: int
    mtime: int
    num_frames: int
    frame_rate: float
    problem: str = ""
    damage: str = ""

    def refusal(self, on_corrupt: str) -> str:
        """Why a video is not to be read, if damaged frames are met as ``on_corrupt`` says; "" if it is."""
        return self.problem or (self.damage if on_corrupt == "raise" else "")


def fingerprint(path: Path) -> tuple[int, int]:
    """Size and modification time of a file or of one in a shard, or total size and latest time of a folder of frames.

    Raises:
        OSError: the file does not exist.
        VideoFileError: the shard is damaged.
    """
    if not path.is_dir():
        place = locate(path)
        if place is None:
            raise FileNotFoundError(f"Expected a file (got '{path}', which is none)")
        return place.size, place.modified
    with os.scandir(path) as entries:
        stats = [entry.stat() for entry in entries]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def index_path(root: str | os.PathLike[str], version: str) -> Path:
    """Path of the index of a data set."""
    return Path(root) / f"pyg-video-index-{version}.json"


def read_index(path: str | os.PathLike[str]) -> dict[str, CheckedVideo]:
    """Read the index; empty if it is missing or damaged."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        checksum = _checksum(content["videos"])
        if (content["format"], content.get("checksum", checksum)) != (_FORMAT, checksum):
            return {}
        videos = {name: CheckedVideo(*values) for name, values in content["videos"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return videos if all(map(_plausible, videos.values())) else {}


def write_index(path: str | os.PathLike[str], videos: dict[str, CheckedVideo]) -> None:
    """Write the index, whole or not at all."""
    content = {"format": _FORMAT, "checksum": _checksum(videos), "videos": videos}
    write_whole(path, json.dumps(content, separators=(",", ":")))


def _checksum(videos: object) -> str:
    return hashlib.sha256(json.dumps(videos).encode()).hexdigest()


def _plausible(video: CheckedVideo) -> bool:
    """Whether the values are of their kinds, as those of files without a checksum may not be."""
    *whole, rate, problem, damage = video
    kinds = [*(type(value) is int for value in whole), type(rate) is float, type(problem) is type(damage) is str]
    return all(kinds) and video.num_frames >= 0 and 0 <= video.frame_rate < math.inf
