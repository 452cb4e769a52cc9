"""Base class of the data modules."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from ..scoring import Clips
from .batches import EpochBatches, SequentialBatches, ShuffledBatches


class BatchedClips(Protocol):
    """A data set that returns whole batches, by clip number or by ``(epoch, number)``."""

    def __len__(self) -> int: ...

    def batch(self, keys: Any, /) -> Clips:
        """Several clips with a leading batch dimension."""


class VideoData(LightningDataModule):
    """Labelled clips for training, validation, test and prediction.

    A subclass sets the attributes; that is all, unless it wants other samplers than a shuffled one for training and
    sequential ones. These distribute the clips over processes; set ``use_distributed_sampler=False`` in the Trainer.

    Attributes:
        train: training clips, a data set that returns whole batches by ``batch(keys)``, each a tuple with ``video`` and
            ``label``, and ``box`` or whatever else a model takes. A key is ``(epoch, number)``.
        val: validation clips; here and in ``test``, a key is a number.
        test: test clips.
        label_names: names of the classes.
        frame_size: side of the frames in pixels.
        num_frames: frames per clip; ``None`` if it varies.
        frame_rate: frames per second of the clips; ``None`` for clips over whole videos.
        num_train: training clips per epoch.
        batch_size: clips per step and process.
        num_workers: worker processes of each loader.
    """

    train: Any
    val: Any
    test: Any
    label_names: tuple[str, ...]
    frame_size: int
    num_frames: int | None = None
    frame_rate: float | None = None
    num_train: int
    batch_size: int
    num_workers: int

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def train_dataloader(self) -> DataLoader[Clips]:
        return self._loader(self.train, ShuffledBatches(self.num_train, self.batch_size, **self._share))

    def val_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self.test, self.batch_size)

    def predict_dataloader(self) -> DataLoader[Clips]:
        return self.test_dataloader()

    def _sequential(self, clips: BatchedClips, batch_size: int) -> DataLoader[Clips]:
        """All clips in order."""
        return self._loader(clips, SequentialBatches(len(clips), batch_size, **self._share))

    def _loader(self, clips: BatchedClips, batches: Iterable[list[int] | list[tuple[int, int]]]) -> DataLoader[Clips]:
        return _Loader(
            self._batches_done,
            _Batched(clips),
            batch_size=None,  # an item is a batch; Lightning calls set_epoch of 'sampler', not of 'batch_sampler'
            sampler=batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    def _batches_done(self) -> int:
        """Batches of the current epoch that a resumed training has had."""
        trainer = self.trainer
        if trainer is None or not trainer.training:
            return 0
        return trainer.fit_loop.epoch_loop.batch_progress.current.ready

    @property
    def _share(self) -> dict[str, int]:
        """Rank of this process and number of processes."""
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}


class _Loader(DataLoader[Clips]):
    """Load from the first ``next`` on, behind the batches that are done.

    Lightning makes the iterator of a resumed training before it sets the epoch, and workers would take batches of epoch
    0 at once. It also goes on counting in the middle of an epoch, but leaves it to the loader to skip what was counted.
    """

    def __init__(self, batches_done: Callable[[], int], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._batches_done = batches_done

    def __iter__(self) -> Iterator[Clips]:  # type: ignore[override]  # a generator, since it has to wait
        if isinstance(self.sampler, EpochBatches):
            self.sampler.first = self._batches_done()
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Nothing, since Lightning's progress holds epoch and batch; its sign that a loader can go on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""


class _Batched(Dataset[Clips]):
    """A data set whose items are batches."""

    def __init__(self, clips: BatchedClips) -> None:
        self.clips = clips

    def __getitem__(self, keys: list[int] | list[tuple[int, int]]) -> Clips:
        return self.clips.batch(keys)
