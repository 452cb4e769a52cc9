"""What a run leaves behind besides Lightning's own files."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from .._files import whole_file
from ..checkpoints import save_model
from ..checkpoints.files import Json
from .data.base import VideoData
from .loading import restored


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, wherever the system has its temporary folder.

    Lightning writes into the temporary folder and moves the file. Where that folder is on another disk, the move is a
    copy, and a run that is killed meanwhile leaves a broken ``last.ckpt``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: object = None
    ) -> None:
        with whole_file(path) as draft:
            super().save_checkpoint(checkpoint, draft, storage_options)


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ``ModelCheckpoint``, whose best stays the best when a run is resumed in another folder.

    A later epoch that is no better is not kept; :class:`ExportBest` then exports the earlier file, where it lies.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if Path(state_dict["best_model_path"]).is_file():  # else the search for the best starts anew
            super().load_state_dict({**state_dict, "dirpath": self.dirpath})


def best_checkpoint(monitor: str = "val/acc", mode: str = "max") -> BestCheckpoint:
    """Keeps ``best.ckpt``, the epoch with the best validation."""
    return BestCheckpoint(monitor=monitor, mode=mode, filename="best", enable_version_counter=False)


class FreezeBatchNorm(Callback):
    """Batch norms use the statistics that they came with, also in training: for few clips a step, as RSTG trained.

    Their scales and shifts are learned on.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        for module in pl_module.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


def last_checkpoint() -> ModelCheckpoint:
    """Keeps ``last.ckpt``, to resume from, after every epoch.

    ``ModelCheckpoint(monitor=..., save_last=True)`` would not do: it writes ``last.ckpt`` only when the monitored
    value got better.
    """
    return ModelCheckpoint(filename="last", save_on_train_epoch_end=True, enable_version_counter=False)


class ExportBest(Callback):
    """After training, write the best weights as safetensors next to Lightning's checkpoint, for ``load_model``.

    A module that was made in Python has no recipe to build it again: its weights stay in the checkpoint only.
    """

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        saved_by = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor]
        if trainer.is_global_zero and saved_by and saved_by[0].best_model_path:
            best = saved_by[0]
            if getattr(pl_module.net, "recipe", None) is None:
                rank_zero_info(
                    f"No safetensors beside {best.best_model_path}: the model is a module without a name; register "
                    "a function that builds it with @register_model, or give its class_path"
                )
                return
            data: object = getattr(trainer, "datamodule", None)
            clips = data.num_train if isinstance(data, VideoData) else None
            export(
                Path(best.best_model_path),
                metric=str(best.monitor),
                score=best.best_model_score,
                clips_per_epoch=clips,
            )


def export(checkpoint: Path, *, metric: str, score: Tensor | None, clips_per_epoch: int | None = None) -> Path:
    """Write the model of a Lightning checkpoint as safetensors of the same name; gives the new file."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    task = restored(saved)
    metadata: dict[str, Json] = {"epoch": saved["epoch"], "step": saved["global_step"]}
    if clips_per_epoch is not None:
        metadata["videos"] = (saved["epoch"] + 1) * clips_per_epoch
    for name in ("frame_size", "num_frames"):  # of the clips that it was trained on
        if (size := saved["hyper_parameters"].get(name)) is not None:
            metadata[name] = size
    metadata |= {"label_names": task.label_names, metric: None if score is None else float(score)}
    return save_model(task.net, checkpoint.with_suffix(".safetensors"), metadata)
