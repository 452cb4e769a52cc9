"""The synchronous digits as Lightning data modules."""

from collections.abc import Callable, Mapping
from functools import partial
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
        clips: makes a data set, given ``split``, ``seed``, ``num_clips`` and the ``options``.
        seed: seed of the training clips, at least 0.
        batch_size: clips per step and process.
        num_train: training clips per epoch.
        num_val: validation clips.
        num_test: test clips, used for prediction as well.
        num_workers: worker processes that generate clips; 0 generates them in the main process.
        **options: options of the data sets, ``num_frames`` among them.
    """

    def __init__(
        self,
        clips: Callable[..., DigitClips],
        *,
        seed: int,
        batch_size: int,
        num_train: int,
        num_val: int,
        num_test: int,
        num_workers: int,
        **options: Any,
    ) -> None:
        if seed < 0:
            raise ValueError(f"Expected 'seed' of at least 0 (got {seed}); negative seeds are those of the validation")
        super().__init__()
        clips = partial(clips, **options)
        self.train = clips(split="train", seed=seed, num_clips=None)
        self.val = clips(split="train", seed=-1, num_clips=num_val)  # no seed of a training set
        self.test = clips(split="test", seed=0, num_clips=num_test)
        self.label_names = tuple(self.train.label_names)
        self.frame_size, self.num_frames = self.train.frame_size, options["num_frames"]
        self.batch_size, self.num_train, self.num_workers = batch_size, num_train, num_workers

    def train_dataloader(self) -> DataLoader[Clips]:
        return self._loader(self.train, FreshBatches(self.num_train, self.batch_size, **self._share))

    def val_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.test, self.batch_size)


class SyncMNISTData(DigitData):
    """:class:`~pyg_video.datasets.SyncMNIST` for training, validation and test.

    Args:
        num_digits: digits per clip; the paper has 3 and 5.
        digits: ``"bundled"``, or the root folder of torchvision's MNIST.
        download: download MNIST if missing.
        seed: seed of the training clips, at least 0.
        num_frames: frames per clip.
        canvas_size: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        classes: the digit classes that occur.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``.
        max_step: largest step per axis and frame, in pixels of the canvas.
        random_probability: fraction of clips in which no digits move together.
        batch_size: clips per step and process.
        num_train: training clips per epoch, none of which repeats.
        num_val: validation clips.
        num_test: test clips.
        num_workers: worker processes that generate clips; 0 generates them in the main process.

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
        canvas_size: int = 100,
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
        super().__init__(SyncMNIST, **_arguments(locals()))


class MultiSyncMNISTData(DigitData):
    """:class:`~pyg_video.datasets.MultiSyncMNIST` for training, validation and test.

    Args:
        digits: ``"bundled"``, or the root folder of torchvision's MNIST.
        download: download MNIST if missing.
        seed: seed of the training clips, at least 0.
        num_digits: digits per clip.
        num_frames: frames per clip.
        canvas_size: side of the canvas on which digits are drawn, in pixels.
        frame_size: side of the frames, to which the canvas is resized.
        digit_size: side of a digit's tile on the canvas, in pixels.
        motion: ``"jumps"`` as in the paper, or ``"smooth"``.
        max_step: largest step per axis and frame, in pixels of the canvas.
        random_probability: fraction of clips in which no digits move together.
        batch_size: clips per step and process.
        num_train: training clips per epoch, none of which repeats; the paper has 600,000 that do.
        num_val: validation clips.
        num_test: test clips.
        num_workers: worker processes that generate clips; 0 generates them in the main process.
    """

    def __init__(
        self,
        *,
        digits: str = "bundled",
        download: bool = False,
        seed: int = 0,
        num_digits: int = 5,
        num_frames: int = 10,
        canvas_size: int = 256,
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
        super().__init__(MultiSyncMNIST, **_arguments(locals()))


def _arguments(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor, from its ``locals()``."""
    return {name: value for name, value in scope.items() if name not in ("self", "__class__")}
