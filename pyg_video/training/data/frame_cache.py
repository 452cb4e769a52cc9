"""Small frames of videos in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..._files import check_disk
from ...datasets.video.clip import VideoClip
from ...datasets.video.files import decode_frames
from ...datasets.video.frame_source import DecodedFrames, VideoTimes
from ...datasets.video.sampling import shown_at
from ...datasets.video.shards import found
from ...transforms import ShortSide
from .row_files import RowFiles, Rows

_FORMAT = 2
_CHUNK = 4096  # frames in memory while the file is made


class FrameCache:
    """All frames of videos, decoded once, with a small shorter side, in a file that is mapped into memory.

    Clips from it are those of :class:`~pyg_video.datasets.VideoFolder` after
    :class:`~pyg_video.transforms.ShortSide`, so transforms that begin with it give the same results. The names of the
    files depend on names, sizes, times of modification and parts of the videos, on the shorter side and on what is done
    about damaged frames: after a change of any of these a new one is made. Videos may move together. Every frame has a
    checksum that is compared when it is read. The files may be removed at any time.

    Args:
        folder: where the files are; made if missing.
        parts: start and end in seconds of the part that is kept of every video.
        short_side: shorter side of the frames in pixels.
        on_corrupt: for damaged frames, as for :func:`~pyg_video.datasets.decode_frames`.

    Raises:
        OSError: a video is missing.

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> path = save_mp4(getfixture("tmp_path") / "1.mp4", torch.rand(12, 3, 24, 32))
        >>> cache = FrameCache(path.parent / "cache", {path: (0.0, float("inf"))}, short_side=12)
        >>> cache.write()
        >>> cache.read(path, torch.tensor([[0, 3], [3, 11]])).shape
        torch.Size([2, 2, 3, 12, 16])
    """

    def __init__(
        self,
        folder: str | Path,
        parts: Mapping[Path, tuple[float, float]],
        *,
        short_side: int,
        on_corrupt: str = "raise",
    ) -> None:
        self.parts, self.short_side, self.on_corrupt = dict(parts), short_side, on_corrupt
        names = [path.absolute().parts for path in self.parts]
        common = len(os.path.commonprefix([name[:-1] for name in names]))  # noqa: RUF071 - of tuples
        places = [(name[common:], found(path), part) for name, (path, part) in zip(names, parts.items(), strict=True)]
        about = [(name, place.size, place.modified, *map(str, part)) for name, place, part in places]
        key = hashlib.sha256(json.dumps([_FORMAT, short_side, on_corrupt, about]).encode()).hexdigest()[:16]
        frames = Path(folder) / f"frames-{key}.npy"
        self.files = RowFiles(frames, frames.with_suffix(".npz"), "small frames")
        self._place = {path: k for k, path in enumerate(self.parts)}
        self._rows: Rows | None = None

    def complete(self) -> bool:
        """Whether the files exist; they are written atomically, the frames last."""
        return self.files.complete()

    def write(self, *, progress: bool = False) -> None:
        """Decode all videos, unless that is done.

        Args:
            progress: show a progress bar if standard error is a terminal.

        Raises:
            OSError: the disk is too small.
            VideoFileError: a video is damaged; nothing is written then.
        """
        if self.complete():
            return
        index = self._plan()
        length = index["number"] * np.array([3 * h * w for h, w in index["small"].tolist()])
        index["offset"] = np.array([0, *accumulate(length.tolist())])
        index["row"] = np.array([0, *accumulate(index["number"].tolist())])
        needed = int(index["offset"][-1])
        repair = "choose smaller frames or another folder"
        check_disk(self.files.rows.parent, needed, f"small frames of {len(self.parts)} videos", repair)
        title, total = f"small frames ({needed / 1e9:.1f} GB)", int(index["row"][-1])
        with (
            self.files.written([needed], np.uint8) as writer,
            tqdm(total=total, desc=title, unit=" frames", disable=None if progress else True) as bar,
        ):
            writer.about.update(index)
            for k, path in enumerate(self.parts):
                first, end = int(index["first"][k]), int(index["first"][k] + index["number"][k])
                for start in range(first, end, _CHUNK):
                    numbers = range(start, min(start + _CHUNK, end))
                    writer.add(decode_frames(path, numbers, on_corrupt=self.on_corrupt, transform=self._small).numpy())
                    bar.update(len(numbers))

    def about(self, path: Path) -> VideoTimes:
        index, k = self._opened().about, self._number(path)
        start, end = index["times_at"][k : k + 2]
        height, width = index["size"][k].tolist()
        return VideoTimes(torch.from_numpy(index["times"][start:end]), float(index["rate"][k]), height, width)

    def read(self, path: Path, number: Tensor) -> Tensor:
        rows, k = self._opened(), self._number(path)
        index = rows.about
        first, count = int(index["first"][k]), int(index["number"][k])
        if int(number.min()) < first or int(number.max()) >= first + count:
            raise IndexError(
                f"Expected frames {first} to {first + count - 1} of '{path}', the part that was kept (got "
                f"{int(number.min())} to {int(number.max())})"
            )
        start, end = index["offset"][k : k + 2]
        place = number.flatten().numpy() - first
        frames = rows.array[start:end].reshape(-1, 3, *index["small"][k])[place]
        rows.check(frames, index["row"][k] + place)
        return torch.from_numpy(frames).view(*number.shape, *frames.shape[1:])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_rows": None}  # each process maps the file itself

    def _number(self, path: Path) -> int:
        if path not in self._place:
            raise ValueError(f"Expected one of the {len(self.parts)} videos of the small frames (got '{path}')")
        return self._place[path]

    def _opened(self) -> Rows:
        if self._rows is None:
            if not self.complete():
                raise FileNotFoundError(f"Expected small frames in '{self.files.rows}' (got none); call write() first")
            self._rows = self.files.opened()
        return self._rows

    def _plan(self) -> dict[str, Any]:
        """For every video its times, sizes, and the numbers of the frames that are kept."""
        source = DecodedFrames()
        known = [source.about(path) for path in self.parts]
        ends = [
            shown_at(about.times, torch.tensor([start, min(end, float(about.times[-1]))], dtype=torch.float64)).tolist()
            for about, (start, end) in zip(known, self.parts.values(), strict=True)
        ]
        sizes = [(about.height, about.width) for about in known]
        small = {size: self._small(torch.empty(3, *size, dtype=torch.uint8)).shape[-2:] for size in set(sizes)}
        return {
            "first": np.array([first for first, _ in ends]),
            "number": np.array([last - first + 1 for first, last in ends]),
            "size": np.array(sizes),
            "small": np.array([tuple(small[size]) for size in sizes]),
            "rate": np.array([about.frame_rate for about in known]),
            "times": np.concatenate([about.times.numpy() for about in known]),
            "times_at": np.array([0, *accumulate(len(about.times) for about in known)]),
        }

    def _small(self, frame: Tensor) -> Tensor:
        none = torch.empty(0)
        return ShortSide(self.short_side)(VideoClip(frame[None], none, none, none)).video[0]
