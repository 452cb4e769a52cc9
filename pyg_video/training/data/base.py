"""What the command line asks of all data modules."""

from pytorch_lightning import LightningDataModule


class VideoData(LightningDataModule):
    """Clips of classes for training, validation, test and prediction.

    The loaders share the clips among processes by themselves: give the Trainer ``use_distributed_sampler=False``.

    Attributes:
        num_train: training clips an epoch.
        num_frames: frames of a clip; ``None`` where they differ.
    """

    num_train: int
    num_frames: int | None = None

    @property
    def num_classes(self) -> int:
        """Number of different labels."""
        raise NotImplementedError

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels in words."""
        raise NotImplementedError

    @property
    def frame_size(self) -> int:
        """Side of the frames."""
        raise NotImplementedError

    @property
    def _share(self) -> dict[str, int]:
        """This process's number and the number of processes."""
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
