"""Check videos of your own and write the index that the data set reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ..video.checking import Progress, Report, check_file, check_how, check_videos, examined, report_on, unchanged
from ..video.index import CheckedVideo, index_path, read_index
from ..video.shards import locate
from .lists import VideoEntry, folder_of, read_videos, video_name


def prepare_folder(
    root: str | os.PathLike[str], *, on_corrupt: str = "raise", workers: int = 1, progress: Progress | None = None
) -> Report:
    """Decode every video of a :class:`VideoFolder` once and list those that are missing or damaged in a table.

    Index and table are written into the folder, or beside the list, as :func:`prepare` writes them: the next run
    continues where one was stopped, and reads only videos that have changed. A :class:`VideoFolder` that reads the
    index knows the damaged videos without decoding.

    Args:
        root: folder of the videos, a shard, or a list.
        on_corrupt: as for :func:`prepare`.
        workers: number of processes.
        progress: called with the number of finished videos and the total.

    Raises:
        FileNotFoundError: there is no folder or list, or no video in it.
        ValueError: the list is damaged or an option unknown.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> (folder / "bird").mkdir()
        >>> _ = (folder / "bird" / "1.mp4").write_bytes(b"")
        >>> prepare_folder(folder).problems
        {('', 'bird/1.mp4'): 'an empty file'}
    """
    check_how(on_corrupt, workers)
    root = Path(root)
    folder = folder_of(root)
    entries = {video_name(entry.path, folder): entry for entry in read_videos(root)}
    paths = {name: entry.path for name, entry in entries.items()}
    index = _index(root)
    found, checked = check_videos(partial(_check, paths), paths, index, workers=workers, progress=progress)
    by_split = {(entries[name].split, name): one for name, one in found.items()}
    table = index.with_name(index.name.replace("index", "problems", 1)).with_suffix(".csv")
    return report_on(by_split, paths, checked, on_corrupt, index, table)


def problems(root: Path, entries: Iterable[VideoEntry], on_corrupt: str) -> dict[Path, str]:
    """Why videos are not to be read, those that are missing or that :func:`prepare_folder` found damaged."""
    known, folder = read_index(_index(root)), folder_of(root)
    wrong: dict[Path, str] = {}
    for path in dict.fromkeys(entry.path for entry in entries):
        checked = known.get(video_name(path, folder))
        if locate(path) is None:
            wrong[path] = "missing"
        elif checked is not None and (refusal := checked.refusal(on_corrupt)) and unchanged(path, checked):
            wrong[path] = refusal
    return wrong


def _check(paths: dict[str, Path], name: str) -> CheckedVideo:
    return check_file(paths[name], examined)


def _index(root: Path) -> Path:
    """The index of a folder, or of a list or shard, beside it."""
    return index_path(root, "folder") if root.is_dir() else index_path(root.parent, root.stem)
