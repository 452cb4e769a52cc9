"""Test sets of digit clips and of videos, in the form that the evaluation takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..datasets.digits.clips import DigitClips
from ..training.scoring import Clips

if TYPE_CHECKING:
    from ..training.data import VideoData, VideoFileData


class ClipSource(Protocol):
    """What :func:`evaluate` needs to know about a test set of labelled, numbered clips.

    Attributes:
        label_names: names of the classes.
        ids: names of the clips; empty if they have numbers only.
        frame_size: side of the frames in pixels that a model must be made for; ``None`` for any.
        batch_size: default number of clips per batch.
        unit: ``"clips"`` or ``"videos"``, for the progress bar.
        part_of: number of the whole video that each clip is a part of; empty if all are whole.
    """

    label_names: Sequence[str]
    ids: Sequence[str] = ()
    frame_size: int | None = None
    batch_size: int = 100
    unit: str = "clips"
    part_of: Sequence[int] = ()

    def __len__(self) -> int: ...

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        """One batch for each list of clip numbers."""

    def protocol(self, num_clips: int) -> dict[str, str]:
        """Words about the first ``num_clips`` clips, by name."""


class DigitSource(ClipSource):
    """Clips of moving digits.

    Args:
        clips: the data set.
        trajectories: where the trajectories are from, in words.
        digits: where the digit images are from, in words.
    """

    def __init__(self, clips: DigitClips, trajectories: str, digits: str) -> None:
        self.clips, self.trajectories, self.digits = clips, trajectories, digits
        self.label_names, self.frame_size = clips.label_names, clips.frame_size

    def __len__(self) -> int:
        return len(self.clips)

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        return map(self.clips.batch, numbers)

    def protocol(self, num_clips: int) -> dict[str, str]:
        first, few = self.clips.batch([0]), _share_in_words(num_clips, len(self))
        _, T, _, H, W = first.video.shape
        frames = f"{T} of {H} x {W} pixels, from a canvas of {self.clips.canvas_size}; {first.digit.shape[1]} digits"
        return {"trajectories": self.trajectories, "digits": self.digits, "clips": few, "frames": frames}


class ModuleSource(ClipSource):
    """The test clips of any data module whose data set ``test`` has a length and a method ``batch(numbers)``."""

    def __init__(self, data: VideoData) -> None:
        self.data, self.label_names, self.frame_size = data, data.label_names, data.frame_size
        if not hasattr(getattr(data, "test", None), "batch"):
            raise ValueError(
                f"Expected {type(data).__name__} with a data set 'test' that has a method batch(numbers) (got none)"
            )

    def __len__(self) -> int:
        return len(self.data.test)

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        return map(self.data.test.batch, numbers)

    def protocol(self, num_clips: int) -> dict[str, str]:
        *_, T, _, H, W = self.data.test.batch([0]).video.shape
        return {
            "clips": f"test clips of {type(self.data).__name__}, {_share_in_words(num_clips, len(self))}",
            "frames": f"{T} of {H} x {W} pixels",
        }


class VideoSource(ClipSource):
    """The test videos of a data module of video files, with all their views.

    Args:
        data: ``test_clips``, ``test_crops`` and ``test_frame`` determine the views.

    Raises:
        ValueError: labels are not known.
    """

    unit = "videos"

    def __init__(self, data: VideoFileData) -> None:
        data.check_labels(data.test)
        self.data, self.label_names, self.batch_size = data, data.label_names, data.test_batch_size
        self.ids, self.part_of = tuple(data.test.ids), data.test.part_of

    def __len__(self) -> int:
        return len(self.data.test)

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        return self.data.views_of(numbers)

    def protocol(self, num_clips: int) -> dict[str, str]:
        videos = self.data.test
        few = _share_in_words(num_clips, len(self), len(videos.skipped))
        split = {"val": "validation", "train": "training"}.get(videos.split or "", videos.split)
        side, crops, clips = self.data.test_frame, self.data.test_crops, self.data.test_clips
        kind = "central crop" if crops == 1 else "crops"
        averaged = ", scores averaged" if crops * clips > 1 else ""
        return {
            "videos": f"{videos.title}, {split} split, {few}",
            "views": f"{crops} {kind} x {clips} clip{'s' if clips > 1 else ''} a video{averaged}",
            "frames": f"{self.data.num_frames} of {side} x {side} pixels, sampling by {self.data.sampling}",
        }


def _share_in_words(num_clips: int, total: int, skipped: int = 0) -> str:
    if num_clips < total:
        return f"the first {num_clips:,} of {total:,}"
    return f"{total:,}, {f'{skipped:,} missing or damaged ones' if skipped else 'none'} left out"
