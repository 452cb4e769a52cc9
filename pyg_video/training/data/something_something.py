"""Something-Something as a Lightning data module."""

import os
from collections.abc import Sequence
from functools import cached_property, partial

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from ..._checks import check_option
from ...datasets import SomethingElse, SomethingSomething, VideoClip
from ...datasets.something.lists import read_labels
from ...transforms import centre_recipe, three_crop_recipe, train_recipe
from .base import VideoData
from .batches import EpochBatches, WholeBatches


class SomethingSomethingData(VideoData):
    """:class:`~pyg_video.datasets.SomethingSomething` for training, validation and test, as TSM and DyReg-GNN have it.

    Training draws one frame of each segment, a multi-scale crop and a flip; the validation has the middle frames and
    the centre crop; the test has ``test_clips`` clips of ``test_crops`` crops, whose scores are averaged. All of it
    depends on the seed, the epoch and the video alone, so that a resumed run equals one that was never interrupted.

    Args:
        root: folder of the download; ``docs/something_something.md`` shows it.
        version: ``"v1"`` or ``"v2"``.
        num_frames: frames per clip.
        sampling: ``"segments"`` or ``"dense"``.
        frame_size: side of the frames in training and validation.
        flip: probability of a horizontal flip, with which left and right in the label change place; 0 in the published
            runs.
        boxes: folder with the four files of Something-Else, for boxes.
        max_objects: boxes per frame.
        seed: of the order, the sampling and the augmentation in training.
        on_error: ``"raise"`` or ``"skip"``, for videos that are missing or known to be damaged.
        backend: decoder of v2, ``"av"`` or ``"torchcodec"``.
        test_split: ``"val"``, on which the papers report, or ``"test"``, whose labels are not published.
        test_frame: side of the frames in the test.
        test_clips: clips of each video in the test; the papers have 2.
        test_crops: crops of each clip in the test, 3 as in the papers, or 1.
        batch_size: clips a step, in each process.
        test_batch_size: videos a step in the test; None for as many as make a batch with all their views, at least 2.
        num_workers: processes that decode; None for one a core, at most 8.
    """

    def __init__(
        self,
        root: str,
        version: str = "v2",
        *,
        num_frames: int = 16,
        sampling: str = "segments",
        frame_size: int = 224,
        flip: float = 0.5,
        boxes: str | None = None,
        max_objects: int = 8,
        seed: int = 0,
        on_error: str = "raise",
        backend: str = "av",
        test_split: str = "val",
        test_frame: int = 256,
        test_clips: int = 2,
        test_crops: int = 3,
        batch_size: int = 8,
        test_batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        check_option("test_split", test_split, ("val", "test"))
        check_option("test_crops", test_crops, (1, 3))
        self._label_names = read_labels(root, version)
        self._videos = partial(
            SomethingSomething,
            root,
            version,
            num_frames=num_frames,
            sampling=sampling,
            boxes=None if boxes is None else SomethingElse(boxes, max_objects=max_objects),
            seed=seed,
            on_error=on_error,
            backend=backend,
        )
        self.test_split, self.test_frame = test_split, test_frame
        self.test_clips, self.test_crops = test_clips, test_crops
        self.sampling, self.flip, self.seed, self.batch_size = sampling, flip, seed, batch_size
        self.test_batch_size = test_batch_size or max(2, batch_size // (test_clips * test_crops))
        self.num_workers = min(8, len(os.sched_getaffinity(0))) if num_workers is None else num_workers
        self._frame_size, self.num_frames = frame_size, num_frames

    # Made when first used: who scores a model needs the videos of one split alone.

    @cached_property
    def train(self) -> SomethingSomething:
        """Videos to train on."""
        videos = self._videos("train")
        videos.transform = train_recipe(self._frame_size, mirrored=videos.mirrored, flip=self.flip)
        return videos

    @cached_property
    def val(self) -> SomethingSomething:
        """Videos to validate on, a view each."""
        videos = self._videos("val")
        videos.transform = centre_recipe(self._frame_size)
        return videos

    @cached_property
    def test(self) -> SomethingSomething:
        """Videos to score on, with all views."""
        videos = self._videos(self.test_split, num_clips=self.test_clips)
        videos.transform = (three_crop_recipe if self.test_crops == 3 else centre_recipe)(self.test_frame)
        return videos

    @property
    def num_train(self) -> int:  # type: ignore[override] # known when the videos are
        return len(self.train)

    @property
    def num_classes(self) -> int:
        return len(self._label_names)

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    @property
    def frame_size(self) -> int:
        return self._frame_size

    def train_dataloader(self) -> DataLoader[VideoClip]:
        return self._loader(self.train, EpochBatches(len(self.train), self.batch_size, seed=self.seed, **self._share))

    def val_dataloader(self) -> DataLoader[VideoClip]:
        return self._loader(self.val, WholeBatches(len(self.val), self.batch_size, **self._share))

    def test_dataloader(self) -> DataLoader[VideoClip]:
        if self.test.split == "test":
            raise ValueError("Expected 'test_split' val to score the test (got test, whose labels are not known)")
        return self.predict_dataloader()

    def predict_dataloader(self) -> DataLoader[VideoClip]:
        return self._loader(self.test, WholeBatches(len(self.test), self.test_batch_size, **self._share))

    def views_of(self, numbers: Sequence[list[int]]) -> DataLoader[VideoClip]:
        """A batch of test videos, with all their views, for each list of their numbers."""
        return self._loader(self.test, numbers)

    def _loader(
        self,
        videos: SomethingSomething,
        batches: Sampler[list[int]] | Sampler[list[tuple[int, int]]] | Sequence[list[int]],
    ) -> DataLoader[VideoClip]:
        return DataLoader(
            _Collated(videos),
            batch_size=None,  # the sampler's items are batches already
            sampler=batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )


class _Collated(Dataset[VideoClip]):
    """A data set whose items are batches."""

    def __init__(self, videos: SomethingSomething) -> None:
        self.videos = videos

    def __getitem__(self, keys: list[int] | list[tuple[int, int]]) -> VideoClip:
        batch: VideoClip = default_collate([self.videos[key] for key in keys])
        return batch
