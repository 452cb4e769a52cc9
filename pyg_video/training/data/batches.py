"""Which videos make a batch, in every process."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, number) of all videos, shuffled anew in every epoch.

    The order depends on seed and epoch alone, which makes a resumed run equal to one that was never interrupted.
    Several processes take turns; ``size % world_size`` videos, others in every epoch, are left out, so that all
    processes have the same number of batches.

    Args:
        size: number of videos.
        batch_size: videos of a batch, in each process.
        seed: another seed, another order.
        rank: number of this process.
        world_size: number of processes.

    Example:
        >>> batches = EpochBatches(size=5, batch_size=2)
        >>> batches.set_epoch(3)
        >>> list(batches)
        [[(3, 1), (3, 0)], [(3, 3), (3, 4)], [(3, 2)]]
    """

    epoch = 0

    def __init__(self, size: int, batch_size: int, *, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1 or size < world_size:
            raise ValueError(
                f"Expected batches of at least 1 video and at least one video for each of {world_size} process(es) "
                f"(got 'batch_size' {batch_size} and {size} videos)"
            )
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.rank, self.world_size = rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        own = order[self.rank : self.size - self.size % self.world_size : self.world_size]
        for i in range(0, len(own), self.batch_size):
            yield [(self.epoch, number) for number in own[i : i + self.batch_size]]

    def __len__(self) -> int:
        return -(-(self.size // self.world_size) // self.batch_size)


class WholeBatches(Sampler[list[int]]):
    """Batches of the numbers of all videos, in their order; none is left out and none comes twice.

    Several processes take turns. Where their shares differ by one video they still have the same number of batches, of
    which some are smaller: a process with a batch more than the others would wait for them for ever.

    Args:
        size: number of videos.
        batch_size: videos of a batch, at most, in each process.
        rank: number of this process.
        world_size: number of processes.

    Raises:
        ValueError: there are too few videos for every process to have something in each of its batches.

    Example:
        >>> [list(WholeBatches(size=9, batch_size=4, rank=rank, world_size=2)) for rank in (0, 1)]
        [[[0, 2, 4], [6, 8]], [[1, 3], [5, 7]]]
    """

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"Expected 'batch_size' of at least 1 (got {batch_size})")
        self.numbers = range(rank, size, world_size)
        self.num_batches = -(-len(range(0, size, world_size)) // batch_size)
        if size // world_size < self.num_batches or not size:
            raise ValueError(
                f"Expected a video for each of {self.num_batches} batch(es) in all of {world_size} process(es) (got "
                f"{size} videos, 'batch_size' {batch_size}); take a 'batch_size' of at least 2, or fewer processes"
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
