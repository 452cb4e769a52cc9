"""The synchronous digits as Lightning data modules."""

from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader

from ...datasets import DigitClips, MultiSyncMNIST, SyncMNIST
from ..scoring import Clips
from .base import VideoData
from .batches import FreshBatches


class DigitData(VideoData):
    """Moving digits that are generated on the fly; training never repeats a clip.

    Validation clips show the digit images of training on other trajectories; test clips show other images as well.
    Both are the same in every run, whatever the seed.

    Args:
        clips: makes a data set, given ``split``, ``seed`` and ``num_clips``.
        others: see :class:`SyncMNISTData`.

    Attributes:
        data_set: class of the clips, whose options the command line lists.
    """

    data_set: type[DigitClips]

    def __init__(
        self,
        clips: Callable[[str, int, int | None], DigitClips],
        *,
        seed: int,
        batch_size: int,
        num_train: int,
        num_val: int,
        num_test: int,
        num_workers: int,
    ) -> None:
        if seed < 0:
            raise ValueError(f"Expected 'seed' of at least 0 (got {seed}); negative seeds are those of the validation")
        super().__init__()
        self.train = clips("train", seed, None)
        self.val = clips("train", -1, num_val)  # no seed of a training set
        self.test = clips("test", 0, num_test)
        for clips_of_max_step in (self.val, self.test):
            clips_of_max_step.planner.curriculum = None
        self.label_names = tuple(self.train.label_names)
        self.frame_size, self.num_frames = self.train.frame_size, self.train.planner.num_frames
        self.batch_size, self.num_train, self.num_workers = batch_size, num_train, num_workers

    def train_dataloader(self) -> DataLoader[Clips]:
        return self._loader(self.train, FreshBatches(self.num_train, self.batch_size, **self._share))


class SyncMNISTData(DigitData):
    """:class:`~pyg_video.datasets.SyncMNIST` for training, validation and test.

    Args:
        seed: seed of the training clips, at least 0.
        batch_size: clips per step and process.
        num_train: training clips per epoch, none of which repeats.
        num_val: validation clips.
        num_test: test clips, used for prediction as well.
        num_workers: worker processes that generate clips; 0 generates them in the main process.
        **options: of the data set, except for ``split`` and ``num_clips``.

    Example:
        >>> data = SyncMNISTData(classes=(0, 1, 2), random_probability=0, batch_size=4)
        >>> data.num_classes, next(iter(data.train_dataloader())).video.shape
        (3, torch.Size([4, 10, 1, 64, 64]))
    """

    data_set = SyncMNIST

    def __init__(
        self,
        *,
        seed: int = 0,
        batch_size: int = 64,
        num_train: int = 60_000,
        num_val: int = 2_000,
        num_test: int = 10_000,
        num_workers: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            # Not functools.partial: jsonargparse takes the options from this call.
            lambda split, seed, num_clips: SyncMNIST(split=split, seed=seed, num_clips=num_clips, **options),
            seed=seed,
            batch_size=batch_size,
            num_train=num_train,
            num_val=num_val,
            num_test=num_test,
            num_workers=num_workers,
        )


class MultiSyncMNISTData(DigitData):
    """:class:`~pyg_video.datasets.MultiSyncMNIST` for training, validation and test.

    Args:
        seed: seed of the training clips, at least 0.
        batch_size: clips per step and process.
        num_train: training clips per epoch, none of which repeats; the paper has 600,000 that do.
        num_val: validation clips.
        num_test: test clips.
        num_workers: worker processes that generate clips; 0 generates them in the main process.
        **options: of the data set, except for ``split`` and ``num_clips``.
    """

    data_set = MultiSyncMNIST

    def __init__(
        self,
        *,
        seed: int = 0,
        batch_size: int = 64,
        num_train: int = 60_000,
        num_val: int = 2_000,
        num_test: int = 10_000,
        num_workers: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            lambda split, seed, num_clips: MultiSyncMNIST(split=split, seed=seed, num_clips=num_clips, **options),
            seed=seed,
            batch_size=batch_size,
            num_train=num_train,
            num_val=num_val,
            num_test=num_test,
            num_workers=num_workers,
        )
