"""Small frames of videos in one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from ..._checks import naming
from ..._files import check_disk, whole_file
from ...datasets.video.clip import VideoClip
from ...datasets.video.files import decode_frames
from ...datasets.video.frame_source import DecodedFrames, VideoTimes
from ...datasets.video.sampling import shown_at
from ...datasets.video.shards import found
from ...transforms import ShortSide

_FORMAT = 1
_REPAIR = "remove it to have it made again"
_CHUNK = 4096  # frames in memory while the file is made


class FrameCache:
    """All frames of videos, decoded once, with a small shorter side, in a file that is mapped into memory.

    Clips from it are those of :class:`~pyg_video.datasets.VideoFolder` after
    :class:`~pyg_video.transforms.ShortSide`, so transforms that begin with it give the same results. The names of the
    files depend on sizes, times of modification and parts of the videos, on the shorter side and on what is done about
    damaged frames: after a change of any of these a new one is made. They may be removed at any time.

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
        places = [(path.name, found(path), part) for path, part in self.parts.items()]
        about = [(name, place.size, place.modified, *map(str, part)) for name, place, part in places]
        key = hashlib.sha256(json.dumps([_FORMAT, short_side, on_corrupt, about]).encode()).hexdigest()[:16]
        self.frames_path = Path(folder) / f"frames-{key}.npy"
        self.index_path = Path(folder) / f"frames-{key}.npz"
        self._place = {path: k for k, path in enumerate(self.parts)}
        self._index: dict[str, Any] = {}
        self._pixels: Any = None

    def complete(self) -> bool:
        """Whether the files exist; they are written atomically, the frames last."""
        return self.frames_path.is_file() and self.index_path.is_file()

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
        needed = int(index["offset"][-1])
        repair = "choose smaller frames or another folder"
        check_disk(self.frames_path.parent, needed, f"small frames of {len(self.parts)} videos", repair)
        with whole_file(self.frames_path) as draft:
            pixels = open_memmap(draft, mode="w+", dtype=np.uint8, shape=(needed,))
            title, total = f"small frames ({needed / 1e9:.1f} GB)", int(index["number"].sum())
            with tqdm(total=total, desc=title, unit=" frames", disable=None if progress else True) as bar:
                for k, path in enumerate(self.parts):
                    at = int(index["offset"][k])
                    first, end = int(index["first"][k]), int(index["first"][k] + index["number"][k])
                    for start in range(first, end, _CHUNK):
                        numbers = range(start, min(start + _CHUNK, end))
                        frames = decode_frames(path, numbers, on_corrupt=self.on_corrupt, transform=self._small)
                        pixels[at : at + frames.numel()] = frames.flatten().numpy()
                        at += frames.numel()
                        bar.update(len(numbers))
            pixels.flush()
            del pixels
            with whole_file(self.index_path) as draft_of_index, draft_of_index.open("wb") as file:
                np.savez(file, allow_pickle=False, **index)

    def about(self, path: Path) -> VideoTimes:
        index, k = self._opened(), self._number(path)
        start, end = index["times_at"][k : k + 2]
        height, width = index["size"][k].tolist()
        return VideoTimes(torch.from_numpy(index["times"][start:end]), float(index["rate"][k]), height, width)

    def read(self, path: Path, number: Tensor) -> Tensor:
        index, k = self._opened(), self._number(path)
        first, count = int(index["first"][k]), int(index["number"][k])
        if int(number.min()) < first or int(number.max()) >= first + count:
            raise IndexError(
                f"Expected frames {first} to {first + count - 1} of '{path}', the part that was kept (got "
                f"{int(number.min())} to {int(number.max())})"
            )
        start, end = index["offset"][k : k + 2]
        video = self._pixels[start:end].reshape(-1, 3, *index["small"][k])
        return torch.from_numpy(video[number.numpy() - first])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_index": {}, "_pixels": None}  # each process maps the file itself

    def _number(self, path: Path) -> int:
        if path not in self._place:
            raise ValueError(f"Expected one of the {len(self.parts)} videos of the small frames (got '{path}')")
        return self._place[path]

    def _opened(self) -> dict[str, Any]:
        if self._pixels is None:
            if not self.complete():
                raise FileNotFoundError(f"Expected small frames in '{self.frames_path}' (got none); call write() first")
            named = naming(self.index_path, "an index of small frames", _REPAIR)
            with named, self.index_path.open("rb") as file, np.load(file) as arrays:
                self._index = dict(arrays)
            with naming(self.frames_path, "small frames", _REPAIR):
                self._pixels = np.load(self.frames_path, mmap_mode="r")
        return self._index

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
