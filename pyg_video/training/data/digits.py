"""The data sets as Lightning data modules."""

from collections.abc import Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ...datasets import DigitClips, MultiSyncMNIST, SyncClip, SyncMNIST
from .base import VideoData

_VAL_SEED = -1  # no seed of a training set
_TEST_SEED = 0


class ClipBatches(Sampler[list[int]]):
    """Numbers of the clips of every batch, from 0 to ``size - 1``.

    Several processes take turns; the last ``size % world_size`` clips are left out, so that all have the same number
    of batches.

    Args:
        size: number of clips.
        batch_size: clips of a batch, in each process.
        rank: number of this process.
        world_size: number of processes.

    Example:
        >>> list(ClipBatches(size=7, batch_size=2, rank=1, world_size=2))
        [[1, 3], [5]]
    """

    first = 0

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1 or size < world_size:
            raise ValueError(
                f"Expected batches of at least 1 clip and at least one clip for each of {world_size} process(es) "
                f"(got 'batch_size' {batch_size} and {size} clips)"
            )
        self.size, self.batch_size = size, batch_size
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        end = self.first + self.size - self.size % self.world_size
        numbers = range(self.first + self.rank, end, self.world_size)
        for i in range(0, len(numbers), self.batch_size):
            yield list(numbers[i : i + self.batch_size])

    def __len__(self) -> int:
        return -(-(self.size // self.world_size) // self.batch_size)


class FreshClipBatches(ClipBatches):
    """Batches of clips that no earlier epoch had: epoch :math:`e` of :math:`S` clips starts with number :math:`eS`.

    The numbers depend on the epoch alone, which makes a resumed run equal to one that was never interrupted.

    Example:
        >>> batches = FreshClipBatches(size=6, batch_size=2)
        >>> batches.set_epoch(1)
        >>> list(batches)
        [[6, 7], [8, 9], [10, 11]]
    """

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.first = epoch * self.size


class _WholeBatches(Dataset[SyncClip]):
    """A data set whose items are batches, each made in one go."""

    def __init__(self, clips: DigitClips) -> None:
        self.clips = clips

    def __getitem__(self, numbers: list[int]) -> SyncClip:
        return self.clips.batch(numbers)


class ClipData(VideoData):
    """Clips that are made on the fly: training never sees one twice.

    Validation clips have the digit images of training on trajectories of their own; test clips have other images, too.
    Both are the same in every run, whatever the seed.

    Args:
        train: endless clips.
        val: as many clips as the validation has.
        test: as many clips as the test has; the prediction runs on them, too.
        batch_size: clips a step, in each process.
        num_train: training clips an epoch.
        num_workers: processes that make clips; 0 makes them in the main one.
    """

    def __init__(
        self,
        train: DigitClips,
        val: DigitClips,
        test: DigitClips,
        *,
        batch_size: int,
        num_train: int,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.train, self.val, self.test = train, val, test
        self.batch_size = batch_size
        self.num_train = num_train
        self.num_workers = num_workers

    @property
    def num_classes(self) -> int:
        """Number of different labels."""
        return self.train.num_classes

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels in words."""
        return tuple(self.train.label_names)

    @property
    def frame_size(self) -> int:
        """Side of the frames."""
        return self.train.frame_size

    def train_dataloader(self) -> DataLoader[SyncClip]:
        return self._loader(self.train, FreshClipBatches(self.num_train, self.batch_size, **self._share))

    def val_dataloader(self) -> DataLoader[SyncClip]:
        return self._loader(self.val, ClipBatches(len(self.val), self.batch_size, **self._share))

    def test_dataloader(self) -> DataLoader[SyncClip]:
        return self._loader(self.test, ClipBatches(len(self.test), self.batch_size, **self._share))

    def predict_dataloader(self) -> DataLoader[SyncClip]:
        return self.test_dataloader()

    def _loader(self, clips: DigitClips, batches: ClipBatches) -> DataLoader[SyncClip]:
        return DataLoader(
            _WholeBatches(clips),
            batch_size=None,  # the sampler's items are batches already
            sampler=batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )


class SyncMNISTData(ClipData):
    """:class:`~pyg_video.datasets.SyncMNIST` for training, validation and test.

    Args:
        num_digits: digits per clip; the paper has 3 and 5.
        digits: ``"bundled"``, or the root folder of torchvision's MNIST.
        download: fetch MNIST if it is not there.
        seed: of the training clips; 0 or more.
        num_frames: frames per clip.
        canvas: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        classes: the digit classes that occur.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``.
        max_step: largest step per axis and frame, in pixels of the canvas.
        random_probability: share of clips in which nothing moves together.
        batch_size: clips a step, in each process.
        num_train: training clips an epoch; none comes twice.
        num_val: clips of the validation.
        num_test: clips of the test.
        num_workers: processes that make clips; 0 makes them in the main one.

    Example:
        >>> data = SyncMNISTData(classes=(0, 1, 2), random_probability=0, batch_size=4)
        >>> data.num_classes, next(iter(data.train_dataloader())).video.shape
        (3, torch.Size([4, 10, 1, 64, 64]))
    """

    def __init__(
        self,
        num_digits: int = 3,
        *,
        digits: str = "bundled",
        download: bool = False,
        seed: int = 0,
        num_frames: int = 10,
        canvas: int = 100,
        frame_size: int = 64,
        digit_size: int = 28,
        classes: tuple[int, ...] = tuple(range(10)),
        motion: str = "jumps",
        max_step: int = 10,
        random_probability: float = 1 / 81,
        batch_size: int = 64,
        num_train: int = 60_000,
        num_val: int = 2_000,
        num_test: int = 10_000,
        num_workers: int = 0,
    ) -> None:
        _check_seed(seed)
        clips = partial(
            SyncMNIST,
            num_digits,
            digits=digits,
            download=download,
            num_frames=num_frames,
            canvas=canvas,
            frame_size=frame_size,
            digit_size=digit_size,
            classes=classes,
            motion=motion,
            max_step=max_step,
            random_probability=random_probability,
        )
        super().__init__(
            clips(seed=seed),
            clips(seed=_VAL_SEED, num_clips=num_val),
            clips(split="test", seed=_TEST_SEED, num_clips=num_test),
            batch_size=batch_size,
            num_train=num_train,
            num_workers=num_workers,
        )
        self.num_frames = num_frames


class MultiSyncMNISTData(ClipData):
    """:class:`~pyg_video.datasets.MultiSyncMNIST` for training, validation and test.

    Args:
        digits: ``"bundled"``, or the root folder of torchvision's MNIST.
        download: fetch MNIST if it is not there.
        seed: of the training clips; 0 or more.
        num_digits: digits per clip.
        num_frames: frames per clip.
        canvas: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``.
        max_step: largest step per axis and frame, in pixels of the canvas.
        random_probability: share of clips in which nothing moves together.
        batch_size: clips a step, in each process.
        num_train: training clips an epoch; none comes twice. The paper has 600,000 that do.
        num_val: clips of the validation.
        num_test: clips of the test.
        num_workers: processes that make clips; 0 makes them in the main one.
    """

    def __init__(
        self,
        *,
        digits: str = "bundled",
        download: bool = False,
        seed: int = 0,
        num_digits: int = 5,
        num_frames: int = 10,
        canvas: int = 256,
        frame_size: int = 128,
        digit_size: int = 28,
        motion: str = "jumps",
        max_step: int = 10,
        random_probability: float = 1 / 56,
        batch_size: int = 64,
        num_train: int = 60_000,
        num_val: int = 2_000,
        num_test: int = 10_000,
        num_workers: int = 0,
    ) -> None:
        _check_seed(seed)
        clips = partial(
            MultiSyncMNIST,
            digits=digits,
            download=download,
            num_digits=num_digits,
            num_frames=num_frames,
            canvas=canvas,
            frame_size=frame_size,
            digit_size=digit_size,
            motion=motion,
            max_step=max_step,
            random_probability=random_probability,
        )
        super().__init__(
            clips(seed=seed, num_clips=None),
            clips(seed=_VAL_SEED, num_clips=num_val),
            clips(split="test", seed=_TEST_SEED, num_clips=num_test),
            batch_size=batch_size,
            num_train=num_train,
            num_workers=num_workers,
        )
        self.num_frames = num_frames


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"Expected 'seed' of at least 0 (got {seed}); the validation clips have the others")
