"""Check a download of Something-Something and write the index that the data set reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..._checks import check_option
from ..video.checking import Progress, Report, check_file, check_how, check_videos, examined, report_on
from ..video.frame_folders import examine_folder
from ..video.index import CheckedVideo, index_path
from .lists import SPLITS, id_problem, read_labels, read_records, video_path


def prepare(
    root: str | os.PathLike[str],
    version: str = "v2",
    splits: Sequence[str] = SPLITS,
    *,
    on_corrupt: str = "raise",
    workers: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Decode every video once and list those that are missing, truncated, empty or undecodable in a table.

    The index is written regularly, and when the check ends or is stopped. The next run continues from there and reads
    only videos whose size or modification time has changed.

    Args:
        root: folder of the download; index and table are written here.
        version: ``"v1"`` or ``"v2"``.
        splits: the lists to check. Lists that were not downloaded are left out, except for the first.
        on_corrupt: ``"raise"`` makes damaged frames of a video a problem, ``"warn"`` only lists them in the table, and
            ``"skip"`` does not. The index keeps them in any case.
        workers: number of processes.
        progress: called with the number of finished videos and the total.

    Raises:
        FileNotFoundError: the list of labels or of the first split is missing.
        ValueError: a list is damaged or an option unknown.
    """
    check_how(on_corrupt, workers)
    if not splits:
        raise ValueError("Expected 'splits' (got none)")
    root = Path(root)
    videos, index = _listed(root, version, splits), index_path(root, version)
    paths = {name: video_path(root, version, name) for name in videos}
    check = partial(check_video, root, version)
    found, checked = check_videos(check, paths, index, workers=workers, progress=progress)
    by_split = {(videos[name], name): one for name, one in found.items()}
    table = root / f"pyg-video-problems-{version}.csv"
    return report_on(by_split, paths, checked, on_corrupt, index, table)


def check_video(root: str | os.PathLike[str], version: str, name: str) -> CheckedVideo:
    """Decode one video from start to end; whatever is wrong with it is its problem alone."""
    if problem := id_problem(name):
        return CheckedVideo(0, 0, 0, 0.0, problem)
    return check_file(video_path(root, version, name), _frames if version == "v1" else examined)


def _frames(path: Path) -> CheckedVideo:
    """Number of frames and damage of a folder of frames."""
    num_frames, wrong = examine_folder(path)
    return CheckedVideo(0, 0, num_frames, 0.0, damage=f"{wrong[0]} ({len(wrong)} such frames)" if wrong else "")


def _listed(root: Path, version: str, splits: Sequence[str]) -> dict[str, str]:
    """The split of every video."""
    names = read_labels(root, version)
    videos: dict[str, str] = {}
    for split in splits:
        check_option("splits", split, SPLITS)
        try:
            records = read_records(root, version, split, names)
        except FileNotFoundError:
            if split == splits[0]:
                raise
            continue
        videos |= {record.id: split for record in records}
    return videos
