"""Decode all videos of a data set once, and tell which are damaged."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import torch

from ..._checks import check_option
from ..._files import write_table
from ..._text import printable
from .errors import VideoFileError, errors_of
from .files import examine_video
from .index import CheckedVideo, fingerprint, read_index, write_index
from .reading import ON_CORRUPT

_SAVE_EVERY = 30.0  # seconds
_CHUNK = 16  # videos per task

Progress = Callable[[int, int], None]


class Report(NamedTuple):
    """Result of :func:`prepare` and :func:`prepare_folder`.

    Attributes:
        total: number of videos in the lists.
        checked: number of videos read in this run; the others were known from an earlier one.
        problems: why each video is refused, by split ("" if it is not said) and id.
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
                f"  {f'{split} {printable(name)}'.strip()}: {printable(problem)}"
                for (split, name), problem in list(self.problems.items())[:5]
            ),
            *([f"{len(self.damaged)} others with damaged frames"] if self.damaged else []),
            f"index: {self.index_file}",
            f"problems: {self.table}",
        ]
        return "\n".join(lines)


def check_how(on_corrupt: str, workers: int) -> None:
    """Raise a :exc:`ValueError` unless damage is treated in a known way, by a number of processes."""
    if workers < 1:
        raise ValueError(f"Expected 'workers' of at least 1 (got {workers})")
    check_option("on_corrupt", on_corrupt, ON_CORRUPT)


def check_videos(
    check: Callable[[str], CheckedVideo],
    paths: Mapping[str, Path],
    index: Path,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[dict[str, CheckedVideo], int]:
    """Check every video that is new or has changed since the last time, and write the index on the way.

    Args:
        check: decodes the video of a name.
        paths: the files by the names of the videos.
        index: file of what is known.
        workers: number of processes.
        progress: called with the number of finished videos and the total.

    Returns:
        What is known of every video, and the number of those that were read now.
    """
    found = read_index(index)
    todo = [name for name, path in paths.items() if not unchanged(path, found.get(name))]
    for name in todo:
        found.pop(name, None)
    write_index(index, found)  # which fails before the work where nothing can be written
    checked, saved = 0, time.monotonic()
    try:
        for name, result in _checked(check, todo, workers):
            found[name] = result
            checked += 1
            if progress is not None:
                progress(len(paths) - len(todo) + checked, len(paths))
            if time.monotonic() - saved > _SAVE_EVERY:
                write_index(index, found)
                saved = time.monotonic()
    finally:
        write_index(index, found)
    return {name: found[name] for name in paths}, checked


def check_file(path: Path, examine: Callable[[Path], CheckedVideo]) -> CheckedVideo:
    """What ``examine`` finds in a video; whatever is wrong with it is its problem alone."""
    seen = (0, 0)
    try:
        seen = fingerprint(path)
        with errors_of(path):
            return examine(path)._replace(size=seen[0], mtime=seen[1])
    except FileNotFoundError:
        return CheckedVideo(*seen, 0, 0.0, "missing")
    except OSError as error:
        return CheckedVideo(*seen, 0, 0.0, f"an unreadable file: {error.strerror}")
    except VideoFileError as error:
        return CheckedVideo(*seen, 0, 0.0, error.problem)


def examined(path: Path) -> CheckedVideo:
    """Number of frames, frame rate and damage of a video file."""
    info, damaged = examine_video(path)
    damage = f"a damaged file, at frame {damaged[0]} ({len(damaged)} such frames)" if damaged else ""
    return CheckedVideo(0, 0, info.num_frames, info.frame_rate, damage=damage)


def unchanged(path: Path, checked: CheckedVideo | None) -> bool:
    """Whether a video is as it was when it was checked."""
    try:
        return checked is not None and checked.mtime > 0 and checked[:2] == fingerprint(path)
    except (OSError, VideoFileError):
        return False


def report_on(
    videos: Mapping[tuple[str, str], CheckedVideo],
    paths: Mapping[str, Path],
    checked: int,
    on_corrupt: str,
    index: Path,
    table: Path,
) -> Report:
    """The report on all videos, by split and id, with the table of those with problems written."""
    refused = {video: found.refusal(on_corrupt) for video, found in videos.items()}
    problems = {video: problem for video, problem in refused.items() if problem}
    damaged = {video: found.damage for video, found in videos.items() if found.damage and video not in problems}
    listed = problems | (damaged if on_corrupt == "warn" else {})
    rows = ((split, name, wrong, paths[name]) for (split, name), wrong in listed.items())
    write_table(table, [("split", "id", "problem", "path"), *rows])
    return Report(len(videos), checked, problems, damaged, index, table)


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
