"""Samplers of batches: which clips form a batch, in every process."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch.utils.data import Sampler

Key = TypeVar("Key", int, tuple[int, int])


class EpochBatches(Sampler[list[Key]], Generic[Key]):
    """Batches that depend on the epoch; processes take clips in turn, and subclasses give the order of an epoch.

    ``size % world_size`` clips are left out of every epoch, so that all processes have the same number of batches.

    Attributes:
        epoch: number of the epoch.
        first: number of the batch to begin with.
    """

    epoch = 0
    first = 0

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1 or size < world_size:
            raise ValueError(
                f"Expected batches of at least 1 clip and at least one clip for each of {world_size} process(es) "
                f"(got 'batch_size' {batch_size} and {size} clips)"
            )
        self.size, self.batch_size = size, batch_size
        self.rank, self.world_size = rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.epoch = epoch

    def keys(self) -> Sequence[Key]:
        """All clips of the epoch in their order."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[Key]]:
        own = self.keys()[self.rank : self.size - self.size % self.world_size : self.world_size]
        for i in range(self.first * self.batch_size, len(own), self.batch_size):
            yield list(own[i : i + self.batch_size])

    def __len__(self) -> int:
        return -(-(self.size // self.world_size) // self.batch_size)


class ShuffledBatches(EpochBatches[tuple[int, int]]):
    """Batches of ``(epoch, number)`` over all clips, reshuffled in every epoch.

    The order depends on the seed and the epoch only, so a resumed run equals an uninterrupted one. With several
    processes, ``size % world_size`` clips are left out, different ones in every epoch.

    Args:
        size: number of clips.
        batch_size: clips per batch and process.
        seed: seed of the order.
        rank: index of this process.
        world_size: number of processes.

    Example:
        >>> batches = ShuffledBatches(size=5, batch_size=2)
        >>> batches.set_epoch(3)
        >>> list(batches)
        [[(3, 1), (3, 0)], [(3, 3), (3, 4)], [(3, 2)]]
    """

    def __init__(self, size: int, batch_size: int, *, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(size, batch_size, rank=rank, world_size=world_size)
        self.seed = seed

    def keys(self) -> list[tuple[int, int]]:
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        return [(self.epoch, number) for number in torch.randperm(self.size, generator=generator).tolist()]


class FreshBatches(EpochBatches[int]):
    """Batches of clips that no earlier epoch had: epoch :math:`e` of :math:`S` clips starts with number :math:`eS`.

    A resumed run equals an uninterrupted one. With several processes, the last ``size % world_size`` clips of every
    epoch are left out. Arguments are those of :class:`ShuffledBatches`, without a seed.

    Example:
        >>> batches = FreshBatches(size=6, batch_size=2)
        >>> batches.set_epoch(1)
        >>> list(batches)
        [[6, 7], [8, 9], [10, 11]]
    """

    def keys(self) -> range:
        return range(self.epoch * self.size, (self.epoch + 1) * self.size)


class SequentialBatches(Sampler[list[int]]):
    """Batches of the numbers of all clips in order, each exactly once, for validation and test.

    Processes take clips in turn. If their shares differ by one clip, some batches are smaller, so that all processes
    have the same number of batches; a process with one batch more would wait for the others forever. Arguments are
    those of :class:`ShuffledBatches`, without a seed.

    Raises:
        ValueError: there are too few clips for a non-empty batch in every process.

    Example:
        >>> [list(SequentialBatches(size=9, batch_size=4, rank=rank, world_size=2)) for rank in (0, 1)]
        [[[0, 2, 4], [6, 8]], [[1, 3], [5, 7]]]
    """

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"Expected 'batch_size' of at least 1 (got {batch_size})")
        self.numbers = range(rank, size, world_size)
        self.num_batches = -(-len(range(0, size, world_size)) // batch_size)
        if size // world_size < self.num_batches or not size:
            raise ValueError(
                f"Expected a clip for each of {self.num_batches} batch(es) in all of {world_size} process(es) (got "
                f"{size} clips, 'batch_size' {batch_size}); use a 'batch_size' of at least 2, or fewer processes"
            )

    def __iter__(self) -> Iterator[list[int]]:
        small, larger = divmod(len(self.numbers), self.num_batches)
        start = 0
        for batch in range(self.num_batches):
            end = start + small + (batch < larger)
            yield list(self.numbers[start:end])
            start = end

    def __len__(self) -> int:
        return self.num_batches
