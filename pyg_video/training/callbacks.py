"""Callbacks and plugins for checkpoints, exported weights and frozen batch norms."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from .._files import whole_file
from ..checkpoints import save_model
from ..checkpoints.files import Json
from .data.base import VideoData
from .loading import CLIP_SIZES, check_unchanged, read_checkpoint, restored

# Without a counter, so that best.ckpt stays best.ckpt.
BEST: dict[str, Any] = {"monitor": "val/acc", "mode": "max", "filename": "best", "enable_version_counter": False}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints atomically, and refuse to load one that has changed since.

    Lightning writes to the temporary folder and moves the file. If that folder is on another disk, the move is a copy,
    and a run killed during it leaves a truncated ``last.ckpt``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: object = None
    ) -> None:
        with whole_file(path) as draft:
            super().save_checkpoint(checkpoint, draft, storage_options)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        check_unchanged(path)
        return super().load_checkpoint(path, *args, **kwargs)


class BestCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` that keeps its best score when a run is resumed in another folder.

    If no later epoch is better, :class:`ExportBest` exports the earlier file, in its own folder.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if Path(state_dict["best_model_path"]).is_file():  # else start over
            super().load_state_dict({**state_dict, "dirpath": self.dirpath})


def best_checkpoint(monitor: str = "val/acc", mode: str = "max") -> BestCheckpoint:
    """Keep ``best.ckpt``, the epoch with the best validation score."""
    return BestCheckpoint(**{**BEST, "monitor": monitor, "mode": mode})


class FreezeBatchNorm(Callback):
    """Keep the running statistics of batch norms fixed, for training with few clips per step as in RSTG.

    Their scales and shifts are still trained.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        for module in pl_module.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


class LastCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` that also saves after the batch of training in which SIGTERM comes.

    Not with several processes, of which each is told at another time.
    """

    @property
    def path(self) -> Path:
        """Where it is saved."""
        return Path(self.dirpath or "", f"{self.filename}{self.FILE_EXTENSION}")

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        super().on_train_batch_end(trainer, *args)
        if trainer.received_sigterm and trainer.world_size == 1:
            trainer.save_checkpoint(self.path)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        if isinstance(exception, SIGTERMException) and self.path.is_file():
            rank_zero_info(f"Stopped by SIGTERM; to go on, run the same command with --ckpt_path {self.path}")


def last_checkpoint() -> LastCheckpoint:
    """Write ``last.ckpt`` after every epoch and on SIGTERM, to resume from.

    ``ModelCheckpoint(monitor=..., save_last=True)`` writes ``last.ckpt`` only if the monitored value improves.
    """
    return LastCheckpoint(filename="last", save_on_train_epoch_end=True, enable_version_counter=False)


class ExportBest(Callback):
    """After training, or SIGTERM in it, export the best checkpoint as safetensors beside it, for ``load_model``.

    A module that was made in Python has no recipe to build it again: its weights stay in the checkpoint only.
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            self.on_fit_end(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        saved_by = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor]
        if not (trainer.is_global_zero and saved_by and saved_by[0].best_model_path):
            return
        best, data = saved_by[0], getattr(trainer, "datamodule", None)
        if getattr(pl_module.net, "recipe", None) is None:
            rank_zero_info(
                f"No safetensors beside {best.best_model_path}: the model is a module without a name; register "
                "a function that builds it with @register_model, or give its class_path"
            )
            return
        num_train = data.num_train if isinstance(data, VideoData) else None
        path, metric = Path(best.best_model_path), str(best.monitor)
        export(path, metric=metric, score=best.best_model_score, clips_per_epoch=num_train)


def export(checkpoint: Path, *, metric: str, score: Tensor | None, clips_per_epoch: int | None = None) -> Path:
    """Write the model of a Lightning checkpoint as safetensors of the same name; returns the new path."""
    saved = read_checkpoint(checkpoint)
    task = restored(saved)
    metadata: dict[str, Json] = {"epoch": saved["epoch"], "step": saved["global_step"]}
    if clips_per_epoch is not None:
        metadata["videos"] = (saved["epoch"] + 1) * clips_per_epoch
    sizes = {name: saved["hyper_parameters"].get(name) for name in CLIP_SIZES}  # of training clips
    metadata |= {name: size for name, size in sizes.items() if size is not None}
    metadata |= {"label_names": task.label_names, metric: None if score is None else float(score)}
    return save_model(task.net, checkpoint.with_suffix(".safetensors"), metadata)
