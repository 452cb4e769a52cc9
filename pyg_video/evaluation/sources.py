"""Test sets of digit clips and of Something-Something, in the form that the evaluation takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from ..datasets.digits.clips import DigitClips
from ..training.scoring import Clips

if TYPE_CHECKING:
    from ..training.data.something_something import SomethingSomethingData


class ClipSource(Protocol):
    """What :func:`evaluate` needs to know about a test set of labelled, numbered clips.

    Attributes:
        label_names: names of the classes.
        ids: names of the clips; empty if they have numbers only.
        frame_size: side of the frames in pixels that a model must be made for; ``None`` for any.
        batch_size: default number of clips per batch.
        unit: ``"clips"`` or ``"videos"``, for the progress bar.
    """

    @property
    def label_names(self) -> Sequence[str]: ...
    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def frame_size(self) -> int | None: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def unit(self) -> str: ...

    def __len__(self) -> int: ...

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        """One batch for each list of clip numbers."""

    def protocol(self, num_clips: int) -> dict[str, str]:
        """Words about the first ``num_clips`` clips, by name."""


@dataclass(frozen=True)
class DigitSource:
    """Clips of moving digits.

    Args:
        clips: the data set.
        trajectories: where the trajectories are from, in words.
        digits: where the digit images are from, in words.
    """

    clips: DigitClips
    trajectories: str
    digits: str

    ids: ClassVar[tuple[str, ...]] = ()
    batch_size: ClassVar[int] = 100
    unit: ClassVar[str] = "clips"

    @property
    def label_names(self) -> Sequence[str]:
        return self.clips.label_names

    @property
    def frame_size(self) -> int:
        return self.clips.frame_size

    def __len__(self) -> int:
        return len(self.clips)

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        return map(self.clips.batch, numbers)

    def protocol(self, num_clips: int) -> dict[str, str]:
        total, first = len(self), self.clips.batch([0])
        _, T, _, H, W = first.video.shape
        few = f"the first {num_clips:,} of {total:,}" if num_clips < total else f"{total:,}, none left out"
        frames = f"{T} of {H} x {W} pixels, from a canvas of {self.clips.canvas_size}; {first.digit.shape[1]} digits"
        return {"trajectories": self.trajectories, "digits": self.digits, "clips": few, "frames": frames}


@dataclass(frozen=True)
class VideoSource:
    """The test videos of a data module of Something-Something, with all their views.

    Args:
        data: ``test_clips``, ``test_crops`` and ``test_frame`` determine the views.

    Raises:
        ValueError: the labels of the split are not known.
    """

    data: SomethingSomethingData

    frame_size: ClassVar[None] = None
    unit: ClassVar[str] = "videos"

    def __post_init__(self) -> None:
        if self.data.test_split == "test":
            raise ValueError("Expected 'test_split' val to score a model (got test, whose labels are not known)")

    @property
    def label_names(self) -> Sequence[str]:
        return self.data.label_names

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(record.id for record in self.data.test.records)

    @property
    def batch_size(self) -> int:
        return self.data.test_batch_size

    def __len__(self) -> int:
        return len(self.data.test)

    def batches(self, numbers: Sequence[list[int]]) -> Iterable[Clips]:
        return self.data.views_of(numbers)

    def protocol(self, num_clips: int) -> dict[str, str]:
        videos, total = self.data.test, len(self)
        few = f"the first {num_clips:,} of {total:,}" if num_clips < total else f"{total:,}, none left out"
        if num_clips == total and videos.skipped:
            few = f"{total:,}, {len(videos.skipped):,} missing or damaged ones left out"
        split = "validation" if videos.split == "val" else videos.split
        side, crops, clips = self.data.test_frame, self.data.test_crops, self.data.test_clips
        kind = "central crop" if crops == 1 else "crops"
        averaged = ", scores averaged" if crops * clips > 1 else ""
        return {
            "videos": f"Something-Something {videos.version}, {split} split, {few}",
            "views": f"{crops} {kind} x {clips} clip{'s' if clips > 1 else ''} a video{averaged}",
            "frames": f"{videos.num_frames} of {side} x {side} pixels, sampling by {self.data.sampling}",
        }
