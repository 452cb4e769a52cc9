"""The videos that a command is given: files, patterns, folders, and bytes on standard input."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .._files import whole_file

STDIN = "-"


class Input(NamedTuple):
    """A video: its name for people, and its file."""

    name: str
    path: Path


def find_inputs(given: Sequence[str], scratch: Path, *, without: Path | None = None) -> list[Input]:
    """The videos that arguments stand for, in their order, each once.

    Args:
        given: files; patterns such as ``videos/*.mp4`` (``**`` stands for any folders); folders, for all videos in them
            and below, sorted; ``-`` for the bytes of a video on standard input.
        scratch: folder for the bytes of standard input.
        without: a folder whose videos are left out where a folder is given: that of the results.

    Raises:
        ValueError: a folder has no video, a pattern stands for nothing, or ``-`` is given without bytes.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name in ("b.mp4", "a.webm", "notes.txt"):
        ...     (folder / name).touch()
        >>> [found.path.name for found in find_inputs([str(folder)], folder)]
        ['a.webm', 'b.mp4']
    """
    found = dict[Path, Input]()
    for argument in given:
        for one in _of(argument, scratch, without):
            found.setdefault(resolved(one.path), one)
    return list(found.values())


def resolved(path: Path) -> Path:
    """The path without links, as :meth:`Path.resolve`, but also of links in a circle and of names that are too long."""
    return Path(os.path.realpath(path))


def _of(argument: str, scratch: Path, without: Path | None) -> list[Input]:
    from ..datasets.folder.lists import find_videos
    from ..datasets.video.live import is_live, shown_name
    from ..datasets.video.shards import SHARD

    path = Path(argument)
    if is_live(argument) and not os.path.exists(path):
        raise ValueError(
            f"Expected a file, as no camera and no address is opened without --stream (got '{shown_name(argument)}')"
        )
    if argument == STDIN:
        return [Input(STDIN, _from_stdin(scratch / "stdin"))]
    if os.path.isdir(path) or path.suffix == SHARD:
        results = None if without is None else resolved(without)
        inside = results is not None and resolved(path) in results.parents
        paths = [one for one in find_videos(path) if not (inside and results in resolved(one).parents)]
        if not paths:
            raise ValueError(f"Expected videos in the folder '{argument}' (got none); give their folder or the files")
    elif not os.path.exists(path) and glob.has_magic(argument):
        paths = [Path(name) for name in sorted(glob.glob(argument, recursive=True)) if os.path.isfile(name)]
        if not paths:
            raise ValueError(f"Expected files for the pattern '{argument}' (got none); check it with ls")
    else:
        paths = [path]
    return [Input(str(path), path) for path in paths]


def _from_stdin(path: Path) -> Path:
    if sys.stdin.isatty():
        raise ValueError("Expected the bytes of a video on standard input for '-' (got a terminal); add < clip.mp4")
    with whole_file(path) as draft, draft.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path
