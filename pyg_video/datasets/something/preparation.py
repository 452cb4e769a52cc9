"""Check a download of Something-Something and write the index that the data set reads."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from ..._checks import check_option
from ..._files import write_table
from ..._text import printable
from ..video.errors import VideoFileError, errors_of
from ..video.files import examine_video
from ..video.frame_folders import examine_folder
from ..video.index import CheckedVideo, fingerprint, index_path, read_index, write_index
from ..video.reading import ON_CORRUPT
from .lists import SPLITS, id_problem, read_labels, read_records, video_path

_SAVE_EVERY = 30.0  # seconds
_CHUNK = 16  # videos per task

Progress = Callable[[int, int], None]


class Report(NamedTuple):
    """Result of :func:`prepare`.

    Attributes:
        total: number of videos in the lists.
        checked: number of videos read in this run; the others were known from an earlier one.
        problems: why each video is refused, by split and id.
        damaged: which frames of each other video are damaged, by split and id; none with ``on_corrupt="raise"``, which
            makes them problems.
        index_file: path of the index of all videos.
        table: path of the CSV file of problems.
    """

    total: int
    checked: int
    problems: dict[tuple[str, str], str]
    damaged: dict[tuple[str, str], str]
    index_file: Path
    table: Path

    def summary(self) -> str:
        """The report as text."""
        kinds = Counter(re.split("[,:]", problem)[0] for problem in self.problems.values())
        lines = [
            f"{self.total} videos in the lists, {self.checked} read now",
            f"{self.total - len(self.problems)} whole, {len(self.problems)} with problems",
            *(f"  {count} x {printable(kind)}" for kind, count in kinds.most_common(10)),
            *(
                f"  {split} {printable(name)}: {printable(problem)}"
                for (split, name), problem in list(self.problems.items())[:5]
            ),
            *([f"{len(self.damaged)} others with damaged frames"] if self.damaged else []),
            f"index: {self.index_file}",
            f"problems: {self.table}",
        ]
        return "\n".join(lines)


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
    if workers < 1 or not splits:
        raise ValueError(f"Expected 'workers' of at least 1, and 'splits' (got {workers} and {list(splits)})")
    check_option("on_corrupt", on_corrupt, ON_CORRUPT)
    root = Path(root)
    videos = _listed(root, version, splits)
    index = index_path(root, version)
    found = read_index(index)
    todo = [name for name in videos if not _unchanged(video_path(root, version, name), found.get(name))]
    for name in todo:
        found.pop(name, None)
    checked, saved = 0, time.monotonic()
    try:
        for name, result in _checked(partial(check_video, root, version), todo, workers):
            found[name] = result
            checked += 1
            if progress is not None:
                progress(len(videos) - len(todo) + checked, len(videos))
            if time.monotonic() - saved > _SAVE_EVERY:
                write_index(index, found)
                saved = time.monotonic()
    finally:
        write_index(index, found)
    return _report(root, version, on_corrupt, {(videos[name], name): found[name] for name in videos}, checked)


def check_video(root: str | os.PathLike[str], version: str, name: str) -> CheckedVideo:
    """Decode one video from start to end; whatever is wrong with it is its problem alone."""
    if problem := id_problem(name):
        return CheckedVideo(0, 0, 0, 0.0, problem)
    path, seen = video_path(root, version, name), (0, 0)
    try:
        seen = fingerprint(path)
        with errors_of(path):
            return _examined(path, version)._replace(size=seen[0], mtime=seen[1])
    except FileNotFoundError:
        return CheckedVideo(*seen, 0, 0.0, "missing")
    except OSError as error:
        return CheckedVideo(*seen, 0, 0.0, f"an unreadable file: {error.strerror}")
    except VideoFileError as error:
        return CheckedVideo(*seen, 0, 0.0, error.problem)


def _examined(path: Path, version: str) -> CheckedVideo:
    """Number of frames, frame rate and damage of a video."""
    if version == "v1":
        num_frames, wrong = examine_folder(path)
        return CheckedVideo(0, 0, num_frames, 0.0, damage=f"{wrong[0]} ({len(wrong)} such frames)" if wrong else "")
    info, damaged = examine_video(path)
    damage = f"a damaged file, at frame {damaged[0]} ({len(damaged)} such frames)" if damaged else ""
    return CheckedVideo(0, 0, info.num_frames, info.frame_rate, damage=damage)


def _report(
    root: Path, version: str, on_corrupt: str, videos: dict[tuple[str, str], CheckedVideo], checked: int
) -> Report:
    """The report on all videos, by split and id, with the table written."""
    refused = {video: found.refusal(on_corrupt) for video, found in videos.items()}
    problems = {video: problem for video, problem in refused.items() if problem}
    damaged = {video: found.damage for video, found in videos.items() if found.damage and video not in problems}
    listed = problems | (damaged if on_corrupt == "warn" else {})
    rows = ((split, name, wrong, video_path(root, version, name)) for (split, name), wrong in listed.items())
    table = root / f"pyg-video-problems-{version}.csv"
    write_table(table, [("split", "id", "problem", "path"), *rows])
    return Report(len(videos), checked, problems, damaged, index_path(root, version), table)


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


def _unchanged(path: Path, checked: CheckedVideo | None) -> bool:
    try:
        return checked is not None and checked.mtime > 0 and checked[:2] == fingerprint(path)
    except OSError:
        return False


def _checked(
    check: Callable[[str], CheckedVideo], names: Sequence[str], workers: int
) -> Iterator[tuple[str, CheckedVideo]]:
    """Every name with the result of ``check``, in order."""
    if workers == 1 or len(names) <= _CHUNK:
        yield from ((name, check(name)) for name in names)
        return
    with ProcessPoolExecutor(workers, initializer=_start) as pool:
        try:
            yield from zip(names, pool.map(check, names, chunksize=_CHUNK), strict=True)
        except BrokenProcessPool as error:
            raise OSError(
                "Expected the processes to read to the end (got one that was killed, or that crashed on a video); the "
                "results so far are kept: run again, with 1 worker to see which video it is"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _start() -> None:
    """One thread per process; only the main process handles Ctrl-C."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
