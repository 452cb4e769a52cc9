"""Videos of your own as a data set."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch
from torch import Generator, Tensor

from ..._checks import check_option, naming
from ..video.clip import Transform, VideoClip, VideoClips
from ..video.errors import VideoFileError, report_skipped
from ..video.files import check_backend
from ..video.frame_source import DecodedFrames, FrameSource
from ..video.reading import ON_CORRUPT
from ..video.sampling import dense_times, segment_times, shown_at
from ..video.tracks import BoxTracks
from .boxes import match_names, read_boxes
from .lists import SPLITS, VideoEntry, class_names, folder_of, read_videos, video_name, windows
from .preparation import problems
from .splits import in_split


def check_window(window: float | None, step: float | None, name: str = "window") -> None:
    """Raise a :exc:`ValueError` unless a window and its step, in seconds, are positive, and no step is given alone."""
    if any(length is not None and not 0 < length < math.inf for length in (window, step)):
        raise ValueError(f"Expected a positive '{name}' and '{name}_step' (got {window} and {step})")
    if window is None and step is not None:
        raise ValueError(f"Expected '{name}' with '{name}_step' (got a step of {step} alone); give both")


class VideoFolder(VideoClips):
    r"""Labelled videos of any format, size and frame rate in a folder per class, or in a list.

    Frames are sampled by time, so that videos of other or varying frame rates look alike. Clip ``i`` of epoch ``e`` is
    ``dataset[e, i]``, and ``dataset[i]`` is that of epoch 0. Its sampling and augmentation depend on ``(seed, e, i)``
    only, not on batch or worker.

    Args:
        root: folder of the videos, ``root/class/name.mp4``, also in folders below, or ``root/split/class/name.mp4``,
            where a tar file stands for the folders in it; or a CSV file with the columns ``path`` (relative to the
            list), ``label`` and any of ``start`` and ``end`` (seconds), ``group``, ``fold``, ``split``.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all videos.
        num_frames: frames per clip, :math:`T`.
        frame_rate: frames per second of the clips, whose windows lie anywhere in the video; None for clips over the
            whole video, one frame from each of :math:`T` equal parts.
        num_clips: clips per video, :math:`S`.
        window: length in seconds; a long video is several items then, its parts of this length. By default it is one.
        window_step: seconds from one part to the next; by default they do not overlap.
        shares: of the groups of every class, for validation and test, where a list has no splits.
        fold: with the folds of a list, the one to test on; the next one is for validation.
        group: for a folder, a regular expression; videos with the same match (or its first group) in their path are in
            the same split. By default each video is a group.
        split_seed: seed of the splits by groups.
        random: whether frames are sampled at random; by default in training only.
        transform: callable ``(clip, generator) -> clip``, see :mod:`pyg_video.transforms`.
        boxes: boxes of objects: a file, or a folder of files, that :func:`~pyg_video.datasets.read_boxes` reads, or
            :class:`~pyg_video.datasets.BoxTracks`. Videos without boxes are clips in which no object is present.
        max_objects: objects per frame, :math:`N`, of boxes in a file.
        seed: seed of sampling and augmentation.
        on_error: for files that are missing, or that :func:`prepare_folder` found damaged, ``"raise"``, or ``"skip"``
            to leave them out with a warning.
        on_corrupt: for damaged frames, as for :func:`~pyg_video.datasets.decode_frames`.
        backend: decoder, as for :func:`~pyg_video.datasets.decode_frames`.

    Attributes:
        entries: the videos.
        frames: where the frames come from; they are decoded when they are wanted, unless this is replaced by a
            :class:`~pyg_video.training.FrameCache`.
        label_names: names of the classes of all splits, in alphabetical order.
        skipped: the problem of each video left out, by id.

    Raises:
        FileNotFoundError: there is no list, no file of boxes, or no video in the folder.
        VideoFileError: files of the list are missing, or known to be damaged.
        ValueError: an option is unknown, the list is damaged, the split is empty, a group is in two splits, or the
            boxes are damaged or of other videos.

    Shapes:
        - **item:** a :class:`VideoClip`; ``video`` is :math:`[T, 3, H, W]`, with several clips :math:`[S, T, 3, H, W]`,
          and ``box`` :math:`[T, N, 4]`, with :math:`N = 0` without ``boxes``

    Example:
        >>> from pyg_video.visualization import save_mp4
        >>> root = getfixture("tmp_path")
        >>> for k, name in enumerate(["bird/1.mp4", "bird/2.mp4", "plane/3.mp4"]):
        ...     _ = save_mp4(root / name, torch.rand(12, 3, 24, 32))
        >>> videos = VideoFolder(root, split=None, num_frames=4)
        >>> len(videos), videos.label_names, videos[2].video.shape, videos[2].label
        (3, ('bird', 'plane'), torch.Size([4, 3, 24, 32]), tensor(1))
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = "train",
        *,
        num_frames: int = 16,
        frame_rate: float | None = None,
        num_clips: int = 1,
        window: float | None = None,
        window_step: float | None = None,
        shares: tuple[float, float] = (0.15, 0.15),
        fold: int | None = None,
        group: str | None = None,
        split_seed: int = 0,
        random: bool | None = None,
        transform: Transform | None = None,
        boxes: str | os.PathLike[str] | BoxTracks | None = None,
        max_objects: int = 8,
        seed: int = 0,
        on_error: str = "raise",
        on_corrupt: str = "raise",
        backend: str = "av",
    ) -> None:
        if split is not None:
            check_option("split", split, SPLITS)
        check_option("on_error", on_error, ("raise", "skip"))
        check_option("on_corrupt", on_corrupt, ON_CORRUPT)
        check_backend(backend)
        if min(num_frames, num_clips) < 1 or not (frame_rate is None or 0 < frame_rate < math.inf):
            raise ValueError(
                "Expected 'num_frames' and 'num_clips' of at least 1 and a positive 'frame_rate' "
                f"(got {num_frames}, {num_clips} and {frame_rate})"
            )
        check_window(window, window_step)
        if len(shares) != 2 or not (min(shares) >= 0 and sum(shares) < 1):
            raise ValueError(f"Expected 'shares' for validation and test that leave some for training (got {shares})")
        self.root, self.split, self.seed, self.transform = Path(root), split, seed, transform
        self._folder = folder_of(self.root)
        self.title = f"videos of '{self.root.name}'"
        self.num_frames, self.frame_rate, self.num_clips = num_frames, frame_rate, num_clips
        self.frames: FrameSource = DecodedFrames(backend, on_corrupt)
        self.random = split == "train" if random is None else random
        entries = read_videos(self.root, group)
        self.label_names = class_names(entries)
        self.boxes = read_boxes(boxes, max_objects=max_objects) if isinstance(boxes, (str, os.PathLike)) else boxes
        self._names = {} if self.boxes is None else match_names(map(self._path, entries), self.boxes.ids)
        if split is not None:
            with naming(root, "videos"):
                entries = in_split(entries, split, shares=shares, fold=fold, seed=split_seed)
        wrong = problems(self.root, entries, on_corrupt)
        self.skipped = {self._id(entry): wrong[entry.path] for entry in entries if entry.path in wrong}
        if self.skipped:
            report_skipped(self.skipped, len(entries), on_error, f"mend the list '{root}'")
        self.entries = [entry for entry in entries if self._id(entry) not in self.skipped]
        if window is not None:
            parts = [windows(entry, self._end(entry), window, window_step or window) for entry in self.entries]
            self.part_of = [number for number, own in enumerate(parts) for _ in own]
            self.entries = [part for own in parts for part in own]

    @property
    def labels(self) -> list[int]:
        return [self._label(entry) for entry in self.entries]

    @property
    def ids(self) -> list[str]:
        return [self._id(entry) for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, index: int, generator: Generator | None) -> VideoClip:
        entry = self.entries[index]
        number = self.sample(entry, generator)
        box = torch.empty(*number.shape, 0, 4)
        if self.boxes is not None:
            name, about = self._names.get(self._path(entry), ""), self.frames.about(entry.path)
            box = self.boxes.boxes(name, number, about.frame_rate, about.height, about.width)
        return VideoClip(
            self.frames.read(entry.path, number), torch.tensor(self._label(entry)), torch.tensor(index), box
        )

    def sample(self, entry: VideoEntry, generator: Generator | None = None) -> Tensor:
        """Numbers of the frames of the clips of a video, at random with a generator.

        Shapes:
            - **output:** :math:`[S, T]`, int64

        Raises:
            VideoFileError: the video is damaged at its start, or ends before the part begins.
        """
        times, start, end = self.frames.about(entry.path).times, entry.start, self._end(entry)
        if self.frame_rate is None:
            moments = segment_times(start, end, self.num_frames, self.num_clips, generator=generator)
        else:
            rate = self.frame_rate
            moments = dense_times(start, end, self.num_frames, self.num_clips, frame_rate=rate, generator=generator)
        return shown_at(times, moments)

    def _end(self, entry: VideoEntry) -> float:
        """Where a part ends, in seconds; raises unless it begins before."""
        end = min(entry.end, float(self.frames.about(entry.path).times[-1]))
        if entry.start >= end:
            found = f"{end:.2f} seconds, where a part begins at {entry.start:.2f}"
            raise VideoFileError.of(entry.path, found, "mend the list")
        return end

    def _label(self, entry: VideoEntry) -> int:
        return self.label_names.index(entry.label) if entry.label else -1

    def _path(self, entry: VideoEntry) -> str:
        """Path of a video relative to the folder, or as in the list."""
        return video_name(entry.path, self._folder)

    def _id(self, entry: VideoEntry) -> str:
        whole = entry.start == 0 and math.isinf(entry.end)
        return self._path(entry) + ("" if whole else f"#t={round(entry.start, 3):.10g},{round(entry.end, 3):.10g}")
