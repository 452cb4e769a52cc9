"""Base class of the data modules of video files."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..._checks import check_option
from ...datasets.video.clip import VideoClips
from ...transforms import centre_recipe, three_crop_recipe, train_recipe
from ...transforms.crops import TSM_SCALES
from ..scoring import Clips
from .base import VideoData
from .batches import ShuffledBatches

_MARGIN = 256 / 224  # of the shorter side around the centre crop


class VideoFileData(VideoData):
    """Videos with one random view in training, one in validation, and all views in the test.

    Training takes a multi-scale crop and a flip, validation the centre crop; the test averages the scores of
    ``test_clips`` clips with ``test_crops`` crops each. Sampling depends on the seed, the epoch and the video only, so
    that a resumed run equals an uninterrupted one.

    Args:
        videos: makes the data set of a split, given ``split`` and, for the test, ``test_options``.
        label_names: names of the classes.
        sampling: which frames of a video form a clip, in words.
        others: see :class:`VideoFolderData`.

    Attributes:
        test_options: further options of the data set for the test.
        short_side: shorter side of the frames before cropping in training and validation, in pixels.
    """

    def __init__(
        self,
        videos: Callable[..., VideoClips],
        label_names: Sequence[str],
        *,
        num_frames: int,
        frame_rate: float | None,
        sampling: str,
        frame_size: int,
        flip: float,
        seed: int,
        test_split: str,
        test_frame: int | None,
        test_clips: int,
        test_crops: int,
        crop_scales: Sequence[float] = TSM_SCALES,
        batch_size: int,
        test_batch_size: int | None,
        num_workers: int | None,
    ) -> None:
        super().__init__()
        check_option("test_crops", test_crops, (1, 3))
        counts = {"test_clips": test_clips, "test_frame": test_frame, "test_batch_size": test_batch_size}
        for name, count in counts.items():  # here, since a test comes after the training
            if count is not None and count < 1:
                raise ValueError(f"Expected '{name}' of at least 1 (got {count})")
        if num_workers is not None and num_workers < 0:
            raise ValueError(f"Expected 'num_workers' of at least 0 (got {num_workers})")
        self._videos = videos
        self.label_names, self.sampling = tuple(label_names), sampling
        self.num_frames, self.frame_rate = num_frames, frame_rate
        self.frame_size, self.short_side = frame_size, round(frame_size * _MARGIN)
        self.crop_scales, self.flip, self.seed, self.batch_size = tuple(crop_scales), flip, seed, batch_size
        self.test_split = test_split
        self.test_frame = test_frame or (self.short_side if test_crops == 3 else frame_size)
        self.test_clips, self.test_crops = test_clips, test_crops
        self.test_options: dict[str, object] = {"num_clips": test_clips}
        self.test_batch_size = test_batch_size or max(2, batch_size // (test_clips * test_crops))
        self.num_workers = min(8, len(os.sched_getaffinity(0))) if num_workers is None else num_workers

    # Created on first use: evaluation needs one split only.

    @cached_property
    def train(self) -> VideoClips:
        """Training videos."""
        videos = self._make("train", self.short_side)
        videos.transform = train_recipe(
            self.frame_size,
            short_side=self.short_side,
            scales=self.crop_scales,
            mirrored=videos.mirrored,
            flip=self.flip,
        )
        return videos

    @cached_property
    def val(self) -> VideoClips:
        """Validation videos with one view each."""
        videos = self._make("val", self.short_side)
        videos.transform = centre_recipe(self.frame_size, short_side=self.short_side)
        return videos

    @cached_property
    def test(self) -> VideoClips:
        """Test videos with all views."""
        short_side = self.test_frame if self.test_crops == 3 else round(self.test_frame * _MARGIN)
        videos = self._make(self.test_split, short_side, **self.test_options)
        videos.transform = (three_crop_recipe if self.test_crops == 3 else centre_recipe)(self.test_frame)
        return videos

    def _make(self, split: str, short_side: int, **options: object) -> VideoClips:  # noqa: ARG002
        """The data set of a split, whose frames will be resized to a shorter side first."""
        return self._videos(split, **options)

    @property
    def num_train(self) -> int:  # type: ignore[override] # from the list of videos
        return len(self.train)

    def class_counts(self) -> Tensor:
        """Number of training videos of every class, :math:`(num\\_classes)`.

        Raises:
            ValueError: the classes are not known.
        """
        self.check_labels(self.train)
        return torch.tensor(self.train.labels).bincount(minlength=self.num_classes)

    def train_dataloader(self) -> DataLoader[Clips]:
        self.check_labels(self.train)
        batches = ShuffledBatches(self.num_train, self.batch_size, seed=self.seed, **self._share)
        return self._loader(self.train, batches)

    def val_dataloader(self) -> DataLoader[Clips]:
        self.check_labels(self.val)
        return self._sequential(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Clips]:
        self.check_labels(self.test)
        return self.predict_dataloader()

    def predict_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.test, self.test_batch_size)

    def views_of(self, numbers: Sequence[list[int]]) -> DataLoader[Clips]:
        """A batch of test videos, with all their views, for each list of their numbers."""
        self.check_labels(self.test)
        return self._loader(self.test, numbers)

    def check_labels(self, videos: VideoClips) -> None:
        """Raise unless the classes of the videos are known."""
        if not videos.labelled:
            number = sum(label < 0 for label in videos.labels)
            raise ValueError(
                f"Expected labels of the {videos.split} videos to score them (got {number} of {len(videos)} without); "
                "label them or leave them out, or choose another 'test_split'"
            )
