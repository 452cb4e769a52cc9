"""Videos of your own as a Lightning data module."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import cast

from ..._checks import check_option
from ...datasets import VideoFolder, read_boxes
from ...datasets.folder.lists import SPLITS, VideoEntry, class_names, read_videos
from ...datasets.folder.preparation import problems
from ...datasets.folder.video_folder import check_window
from ...datasets.video.clip import VideoClips
from ...transforms.crops import TSM_SCALES
from .frame_cache import FrameCache
from .video_files import VideoFileData


class VideoFolderData(VideoFileData):
    """:class:`~pyg_video.datasets.VideoFolder` for training, validation and test; ``docs/video_folder.md`` shows it.

    Training samples random frames, a multi-scale crop and a flip; validation uses the middle of each part of the video,
    or of the video, and the centre crop; the test averages the scores of ``test_clips`` clips with ``test_crops`` crops
    each. Sampling depends on the seed, the epoch and the video only, so a resumed run equals an uninterrupted one.

    Args:
        root: folder of the videos, ``root/class/name.mp4``, or a CSV file.
        num_frames: frames per clip.
        frame_rate: frames per second of the clips; None for clips over the whole video.
        frame_size: side of the frames in training and validation, in pixels. Their shorter side is 8/7 of it before
            the crop.
        crop_scales: sides of the crops in training as fractions of the shorter side, in descending order. Where objects
            are small, smaller crops than the default may often miss them.
        flip: probability of a horizontal flip, which exchanges classes whose names differ in left and right only.
        shares: of the groups of every class, for validation and test, where a list has no splits.
        fold: with the folds of a list, the one to test on; the next one is for validation.
        group: for a folder, a regular expression for what videos of one group have in common in their paths.
        split_seed: seed of the splits by groups.
        boxes: boxes of objects, a file or a folder of files, see :func:`~pyg_video.datasets.read_boxes`.
        max_objects: boxes per frame.
        cache: folder for the small frames of all videos, see :class:`FrameCache`; training makes them first and then
            decodes nothing. None decodes videos in every epoch. Clips are the same in both cases.
        seed: seed of the order, the sampling and the augmentation in training.
        on_error: ``"raise"`` or ``"skip"``, for videos that are missing or that ``pyg-video prepare`` found damaged.
        on_corrupt: ``"raise"``, ``"warn"`` or ``"skip"``, for damaged frames.
        backend: decoder, ``"av"`` or ``"torchcodec"``.
        test_split: split that is tested and predicted.
        test_frame: side of the frames in the test; by default the whole shorter side for three crops, and
            ``frame_size`` for one.
        test_clips: clips per video in the test. With a ``frame_rate`` these windows are spread evenly over the video.
        test_crops: crops per clip in the test, 3 along the longer side or 1.
        test_window: length in seconds of the parts of long videos that are tested and predicted one by one.
        test_window_step: seconds from one part to the next; by default they do not overlap.
        batch_size: clips per step and process.
        test_batch_size: videos per step in the test; by default ``batch_size`` divided by the views, at least 2.
        num_workers: worker processes that decode; by default one per core, at most 8.

    Raises:
        FileNotFoundError: there is no list, or no video in the folder.
        ValueError: an option is unknown, the list is damaged, or there are fewer than two classes.
    """

    def __init__(
        self,
        root: str,
        *,
        num_frames: int = 16,
        frame_rate: float | None = None,
        frame_size: int = 224,
        crop_scales: tuple[float, ...] = TSM_SCALES,
        flip: float = 0.5,
        shares: tuple[float, float] = (0.15, 0.15),
        fold: int | None = None,
        group: str | None = None,
        split_seed: int = 0,
        boxes: str | None = None,
        max_objects: int = 8,
        cache: str | None = None,
        seed: int = 0,
        on_error: str = "raise",
        on_corrupt: str = "raise",
        backend: str = "av",
        test_split: str = "test",
        test_frame: int | None = None,
        test_clips: int = 2,
        test_crops: int = 3,
        test_window: float | None = None,
        test_window_step: float | None = None,
        batch_size: int = 8,
        test_batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        check_option("test_split", test_split, SPLITS)
        check_window(test_window, test_window_step, "test_window")
        entries = read_videos(Path(root), group)
        names = class_names(entries)
        if len(names) < 2:
            raise ValueError(
                f"Expected videos of at least two classes in 'root' (got {', '.join(names) or 'none'} in '{root}'); "
                "put them into a folder for each class, or label them in the list"
            )
        videos = partial(
            VideoFolder,
            root,
            num_frames=num_frames,
            frame_rate=frame_rate,
            shares=shares,
            fold=fold,
            group=group,
            split_seed=split_seed,
            boxes=None if boxes is None else read_boxes(boxes, max_objects=max_objects),
            seed=seed,
            on_error=on_error,
            on_corrupt=on_corrupt,
            backend=backend,
        )
        super().__init__(
            videos,
            names,
            num_frames=num_frames,
            frame_rate=frame_rate,
            sampling="segments" if frame_rate is None else f"{frame_rate:g} per second",
            frame_size=frame_size,
            crop_scales=crop_scales,
            flip=flip,
            seed=seed,
            test_split=test_split,
            test_frame=test_frame,
            test_clips=test_clips,
            test_crops=test_crops,
            batch_size=batch_size,
            test_batch_size=test_batch_size,
            num_workers=num_workers,
        )
        self.test_options |= {"random": False, "window": test_window, "window_step": test_window_step}
        self.cache = None
        if cache is not None:
            wrong = problems(Path(root), entries, on_corrupt)
            parts = _parts(entry for entry in entries if entry.path not in wrong)
            self.cache = FrameCache(cache, parts, short_side=self.short_side, on_corrupt=on_corrupt)

    def prepare_data(self) -> None:
        """Make the small frames; Lightning calls this first, in one process."""
        if self.cache is not None:
            self.cache.write(progress=True)

    def _make(self, split: str, short_side: int, **options: object) -> VideoClips:
        videos = cast(VideoFolder, super()._make(split, short_side, **options))
        if self.cache is not None and self.cache.short_side == short_side and self.cache.complete():
            videos.frames = self.cache
        return videos


def _parts(entries: Iterable[VideoEntry]) -> dict[Path, tuple[float, float]]:
    """The part of each video that its entries cover."""
    parts: dict[Path, tuple[float, float]] = {}
    for path, _, start, end, *_ in entries:
        first, last = parts.get(path, (start, end))
        parts[path] = (min(first, start), max(last, end))
    return parts
