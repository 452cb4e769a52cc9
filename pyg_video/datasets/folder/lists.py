"""Which videos there are, and of which class."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..video.errors import VideoFileError
from ..video.sampling import window_parts
from ..video.shards import SHARD, locate, names_in

SPLITS = ("train", "val", "test")
_SUFFIXES = re.compile(r"\.(mp4|m4v|mov|mkv|webm|avi|m?ts|m2ts|mpe?g|flv|gif|wmv|asf|ogv|3gp|mxf)", re.IGNORECASE)
_COLUMNS = ("path", "label", "start", "end", "group", "fold", "split")


class VideoEntry(NamedTuple):
    """A video, or a part of one, with its class.

    Attributes:
        path: the file.
        label: name of the class; "" if unknown.
        start: start of the part in seconds.
        end: its end; infinite for the end of the video.
        group: videos of one group, such as those of one place or one day, are in the same split.
        fold: number of a part of the data set for cross-validation; -1 if there is none.
        split: ``"train"``, ``"val"`` or ``"test"``; "" if the list does not say.
    """

    path: Path
    label: str
    start: float = 0.0
    end: float = math.inf
    group: str = ""
    fold: int = -1
    split: str = ""


def find_videos(root: Path) -> list[Path]:
    """The videos in a folder, in those below and in shards, by the suffixes of their names, sorted.

    Args:
        root: the folder, or a shard. A shard that cannot be listed is given itself; links are followed, but not in a
            circle.
    """
    found = chain.from_iterable(map(_unpacked, _files(root)))
    return sorted(path for path in found if _SUFFIXES.fullmatch(path.suffix) or path.suffix == SHARD)


def _files(path: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """A file, or all files in a folder and below, which is none of the folders above it."""
    if not os.path.isdir(path):
        yield path
    elif (real := os.path.realpath(path)) not in above:
        with suppress(PermissionError):
            for name in os.listdir(path):
                yield from _files(path / name, (*above, real))


def _unpacked(path: Path) -> list[Path]:
    try:
        return [path / name for name in names_in(path)] if path.suffix == SHARD else [path]
    except VideoFileError:
        return [path]


def read_folder(root: Path, group: str | None = None) -> list[VideoEntry]:
    """The videos ``root/class/**/*`` or ``root/split/class/**/*``, sorted; shards stand for what is in them.

    Args:
        root: the folder, or a shard. Its folders are splits if all are named ``train``, ``val`` or ``test``, and have
            folders.
        group: regular expression; what it finds in the path of a video is its group.

    Raises:
        FileNotFoundError: there is no video.
        VideoFileError: a shard cannot be listed.
        ValueError: all folders are named like splits, and one of them has videos of its own; or ``group`` is no regular
            expression, or finds nothing in any path.
    """
    pattern = _compiled(group)
    found = [(path, parts) for path in find_videos(root) if len(parts := _in_folders(path, root)) > 1]
    found.sort(key=lambda entry: entry[1])  # the order of the folder, however its videos lie in shards
    splits = all(parts[0] in SPLITS for _, parts in found) and any(len(parts) > 2 for _, parts in found)
    if splits and (stray := next((parts for _, parts in found if len(parts) == 2), None)) is not None:
        video = "/".join(stray)
        raise ValueError(
            f"Expected folders of classes in '{stray[0]}', as in the others (got the video '{video}'); move it"
        )
    if not found:
        raise FileNotFoundError(f"Expected videos in folders of their classes, '{root}/CLASS/NAME.mp4' (got none)")
    names = ["/".join(parts) for _, parts in found]
    if pattern is not None and not any(map(pattern.search, names)):
        raise ValueError(
            f"Expected 'group' to find something in the paths of the videos, such as '{names[0]}' (got '{group}', "
            "which finds nothing in any)"
        )
    return [
        VideoEntry(path, parts[int(splits)], group=_group(name, pattern), split=parts[0] * splits)
        for (path, parts), name in zip(found, names, strict=True)
    ]


def _in_folders(path: Path, root: Path) -> tuple[str, ...]:
    """Folders and name of a video below the root without shards, where a class beside a video counts as a folder."""
    if path.suffix == SHARD:
        names_in(path)  # raises what is wrong with it
    folders = [part for part in path.parent.relative_to(root).parts if not part.endswith(SHARD)]
    if path.parent.suffix == SHARD and (label := locate(path.with_suffix(".cls"))) is not None:
        with label.open() as file:  # WebDataset's form: NAME.mp4 and NAME.cls, without folders
            folders.append(file.read(1024).decode(errors="replace").strip())
    return (*folders, path.name)


def read_list(path: Path) -> list[VideoEntry]:
    """The videos of a CSV file with a header: ``path`` and ``label``, and of the other fields any.

    Paths are relative to the list, or absolute. Fields may be empty; further columns have no meaning.

    Raises:
        FileNotFoundError: the list is missing.
        ValueError: it is damaged; names the line.
    """
    entries: list[VideoEntry] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            _check_columns(rows.fieldnames or ())
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError("another number of fields than columns")
                entries.append(_entry(path.parent, {key: row.get(key, "").strip() for key in _COLUMNS}))
        except (ValueError, csv.Error) as error:
            raise ValueError(f"Expected a list of videos in '{path}' (got in line {rows.line_num}: {error})") from error
    if not entries:
        raise ValueError(f"Expected videos in the list '{path}' (got none)")
    return entries


def _check_columns(names: Sequence[str]) -> None:
    """Raise unless there are ``path`` and ``label``, and no name that is almost that of a column which is missing."""
    if not {"path", "label"} <= set(names):
        raise ValueError(f"columns {', '.join(names) or 'none'}, without path and label")
    for name in set(names) - set(_COLUMNS):
        if close := get_close_matches(name.strip().lower(), set(_COLUMNS) - set(names), n=1, cutoff=0.85):
            raise ValueError(f"the column '{name}', did you mean '{close[0]}'?")


def read_videos(root: Path, group: str | None = None) -> list[VideoEntry]:
    """The videos of a folder or of a list, see :func:`read_folder` and :func:`read_list`.

    Raises:
        FileNotFoundError: there is no folder or list, or no video in it.
        ValueError: the list is damaged, or ``group`` is given with a list; and as :func:`read_folder`.
    """
    if not os.path.exists(root):
        raise FileNotFoundError(f"Expected 'root' to be a folder of videos or a list of them (got '{root}', no file)")
    if os.path.isdir(root) or root.suffix == SHARD:
        return read_folder(root, group)
    if _SUFFIXES.fullmatch(root.suffix):
        raise ValueError(f"Expected 'root' to be a folder of videos or a list of them (got the video '{root}')")
    if group:
        raise ValueError(f"Expected 'group' with a folder (got '{group}' with the list '{root}'); use its column group")
    return read_list(root)


def folder_of(root: Path) -> Path:
    """The folder of the videos: the root itself, or where the list or shard lies."""
    return root if os.path.isdir(root) else root.parent


def video_name(path: Path, folder: Path) -> str:
    """Name of a video: its path in the folder; as it is if it lies elsewhere."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def windows(entry: VideoEntry, duration: float, length: float, step: float) -> list[VideoEntry]:
    """Parts of a video of a duration, or of a part of one, see :func:`~pyg_video.datasets.video.sampling.window_parts`.

    Example:
        >>> [(part.start, part.end) for part in windows(VideoEntry(Path("a.mp4"), "cat", end=8), 9.5, 4.0, 4.0)]
        [(0.0, 4.0), (4.0, 8)]
    """
    parts = window_parts(entry.start, min(entry.end, duration), length, step)
    return [entry._replace(start=start, end=end) for start, end in parts]


def class_names(entries: Iterable[VideoEntry]) -> tuple[str, ...]:
    """Names of the classes in alphabetical order."""
    return tuple(sorted({entry.label for entry in entries} - {""}))


def _compiled(group: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(group) if group else None
    except re.error as error:
        raise ValueError(f"Expected 'group' to be a regular expression (got '{group}': {error})") from error


def _group(path: str, pattern: re.Pattern[str] | None) -> str:
    found = pattern.search(path) if pattern else None
    return (found and found[found.re.groups and 1]) or path


def _entry(folder: Path, row: dict[str, str]) -> VideoEntry:
    start, end = float(row["start"] or 0), float(row["end"] or math.inf)
    if not 0 <= start < end or math.isinf(start):
        raise ValueError(f"'start' {row['start']} and 'end' {row['end']}, which are no part of a video")
    if not row["path"] or "\0" in row["path"]:
        raise ValueError("no 'path'")
    if row["split"] not in ("", *SPLITS):
        raise ValueError(f"'split' {row['split']}, where {', '.join(SPLITS)} are known")
    fold = int(row["fold"] or -1)
    return VideoEntry(
        folder / row["path"],
        row["label"],
        start,
        end,
        row["group"] or os.path.normpath(row["path"]),
        fold,
        row["split"],
    )
