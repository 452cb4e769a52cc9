"""Something-Something as a Lightning data module."""

import os
from collections.abc import Sequence
from functools import cached_property, partial

from torch.utils.data import DataLoader

from ..._checks import check_option
from ...datasets import SomethingElse, SomethingSomething
from ...datasets.something.lists import read_labels
from ...transforms import centre_recipe, three_crop_recipe, train_recipe
from ..scoring import Clips
from .base import VideoData
from .batches import ShuffledBatches


class SomethingSomethingData(VideoData):
    """:class:`~pyg_video.datasets.SomethingSomething` for training, validation and test, as in TSM and DyReg-GNN.

    Training samples one random frame per segment, a multi-scale crop and a flip; validation uses the middle frames and
    the centre crop; test averages the scores of ``test_clips`` clips with ``test_crops`` crops each. Sampling depends
    on the seed, the epoch and the video only, so a resumed run equals an uninterrupted one.

    Args:
        root: folder of the download; ``docs/something_something.md`` shows it.
        version: ``"v1"`` or ``"v2"``.
        num_frames: frames per clip.
        sampling: ``"segments"`` or ``"dense"``.
        frame_size: side of the frames in training and validation.
        flip: probability of a horizontal flip, which exchanges left and right in the label; 0 in the published runs.
        boxes: folder with the four files of Something-Else, for boxes.
        max_objects: boxes per frame.
        seed: seed of the order, the sampling and the augmentation in training.
        on_error: ``"raise"`` or ``"skip"``, for missing videos and those known to be damaged.
        on_corrupt: ``"raise"``, ``"warn"`` or ``"skip"``, for damaged frames.
        backend: decoder of v2, ``"av"`` or ``"torchcodec"``.
        test_split: ``"val"``, on which the papers report, or ``"test"``, if ``labels/test-answers.csv`` is there.
        test_frame: side of the frames in the test.
        test_clips: clips per video in the test; 2 in the papers.
        test_crops: crops per clip in the test, 3 as in the papers or 1.
        batch_size: clips per step and process.
        test_batch_size: videos per step in the test; by default ``batch_size`` divided by the views, at least 2.
        num_workers: worker processes that decode; by default one per core, at most 8.
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
        on_corrupt: str = "raise",
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
        self.label_names = read_labels(root, version)
        self._videos = partial(
            SomethingSomething,
            root,
            version,
            num_frames=num_frames,
            sampling=sampling,
            boxes=None if boxes is None else SomethingElse(boxes, max_objects=max_objects),
            seed=seed,
            on_error=on_error,
            on_corrupt=on_corrupt,
            backend=backend,
        )
        self.test_split, self.test_frame = test_split, test_frame
        self.test_clips, self.test_crops = test_clips, test_crops
        self.sampling, self.flip, self.seed, self.batch_size = sampling, flip, seed, batch_size
        self.test_batch_size = test_batch_size or max(2, batch_size // (test_clips * test_crops))
        self.num_workers = min(8, len(os.sched_getaffinity(0))) if num_workers is None else num_workers
        self.frame_size, self.num_frames = frame_size, num_frames

    # Created on first use: evaluation needs one split only.

    @cached_property
    def train(self) -> SomethingSomething:
        """Training videos."""
        videos = self._videos("train")
        videos.transform = train_recipe(self.frame_size, mirrored=videos.mirrored, flip=self.flip)
        return videos

    @cached_property
    def val(self) -> SomethingSomething:
        """Validation videos with one view each."""
        videos = self._videos("val")
        videos.transform = centre_recipe(self.frame_size)
        return videos

    @cached_property
    def test(self) -> SomethingSomething:
        """Test videos with all views."""
        videos = self._videos(self.test_split, num_clips=self.test_clips)
        videos.transform = (three_crop_recipe if self.test_crops == 3 else centre_recipe)(self.test_frame)
        return videos

    @property
    def num_train(self) -> int:  # type: ignore[override] # from the list of videos
        return len(self.train)

    def train_dataloader(self) -> DataLoader[Clips]:
        batches = ShuffledBatches(self.num_train, self.batch_size, seed=self.seed, **self._share)
        return self._loader(self.train, batches)

    def val_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Clips]:
        if not self.test.labelled:
            raise ValueError("Expected labels of the test videos to score them (got none); use 'test_split' val")
        return self.predict_dataloader()

    def predict_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.test, self.test_batch_size)

    def views_of(self, numbers: Sequence[list[int]]) -> DataLoader[Clips]:
        """A batch of test videos, with all their views, for each list of their numbers."""
        return self._loader(self.test, numbers)
