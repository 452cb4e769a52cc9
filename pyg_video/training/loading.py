"""Trained models from either kind of file: safetensors or a checkpoint of Lightning."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch

from .._checks import naming
from ..checkpoints import checkpoint_info, find_checkpoint, load_model
from ..checkpoints.migration import migrated_options, migrated_weights
from ..checkpoints.weights import check_weights
from ..models import UnknownModelError, VideoClassifier
from ..models.registry import check_known, fresh_weights

if TYPE_CHECKING:
    from .module import VideoClassification

MODULE = "model_module"
"""Where a checkpoint of Lightning names the module of a model that is not of this package."""

CLIP_SIZES = ("frame_size", "num_frames", "frame_rate")
"""What checkpoints tell about the clips of the training: pixels, frames, and frames per second."""

_LARGEST = 10**9


class Trained(NamedTuple):
    """A trained model, the names of its classes and the sizes of its clips, as far as its file tells them."""

    model: VideoClassifier
    label_names: tuple[str, ...]
    frame_size: int | None = None
    num_frames: int | None = None
    frame_rate: float | None = None

    def option(self, name: str, default: int) -> int:
        """An option that the model was made with, if it has such an option."""
        recipe = getattr(self.model, "recipe", None)
        return int(str(recipe.options.get(name, default))) if recipe else default


def load_trained(path: str | os.PathLike[str]) -> Trained:
    """The model of a ``.safetensors`` or of a Lightning ``.ckpt`` file, on the CPU and in evaluation mode.

    Folders and ids of the Hugging Face Hub work as well, see :func:`~pyg_video.checkpoints.load_model`.

    Raises:
        FileNotFoundError: there is no such file.
        UnknownModelError: the file names a model of a module that was not imported.
        ValueError: the file is truncated or of another kind, or does not fit the model that it names.
    """
    if Path(path).suffix == ".ckpt":
        return _load_lightning(Path(path))
    path = find_checkpoint(path)
    model = load_model(path)
    with naming(path, "sizes of clips"):
        return _trained(model, checkpoint_info(path).metadata)


def _trained(model: VideoClassifier, about: Mapping[str, Any]) -> Trained:
    """The model with what its file tells about the clips; what is of another kind there tells nothing."""
    given = about.get("label_names")
    names = tuple(map(str, given)) if isinstance(given, (list, tuple)) else ()
    num_classes = model.recipe.options.get("num_classes") if model.recipe else None
    if names and num_classes not in (None, len(names)):
        raise ValueError(f"Expected a name for each of {num_classes} classes (got {len(names)} 'label_names')")
    sizes: Any = (_size(name, about.get(name)) for name in CLIP_SIZES)
    return Trained(model, names, *sizes)


def _size(name: str, value: Any) -> float | None:
    """A size of clips, if it is a number; raises unless that is one of pixels, frames, or frames per second."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    kind = float if name == "frame_rate" else int
    if not 0 < value < _LARGEST or value != kind(value):
        words = "a number" if kind is float else "a whole number"
        raise ValueError(f"Expected '{name}' of the clips as {words} above 0 and below {_LARGEST:,} (got {value:.6g})")
    return kind(value)


def read_checkpoint(path: str | os.PathLike[str], *, mmap: bool = False) -> dict[str, Any]:
    """What :func:`torch.load` gives of a checkpoint of Lightning, after :func:`check_unchanged`."""
    check_unchanged(path)
    return cast("dict[str, Any]", torch.load(path, weights_only=True, map_location="cpu", mmap=mmap))


def check_unchanged(path: str | os.PathLike[str]) -> None:
    """Raise unless the parts of a file have the checksums that :func:`torch.save` wrote and torch.load ignores.

    Raises:
        ValueError: a part has changed. Of a file of another kind, :func:`torch.load` tells.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as file:
            part = file.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(f"Expected a whole file (got '{path}': {error})") from error
    if part is not None:
        raise ValueError(f"Expected the content that was written (got '{path}', whose part '{part}' has changed)")


def task_of(saved: Mapping[str, Any]) -> VideoClassification:
    """The Lightning module that a checkpoint describes, also one of an earlier version, with fresh weights.

    Args:
        saved: what :func:`torch.load` gives of the checkpoint.

    Raises:
        UnknownModelError: its model is not known here, or was not a named one.
        TypeError: the checkpoint is of another Lightning module.
    """
    from . import VideoClassification  # which says what to type where Lightning is missing

    options = {name: value for name, value in saved["hyper_parameters"].items() if name != "_instantiator"}
    if (name := options.get("model", "")) is None:
        raise UnknownModelError(
            "Expected the checkpoint of a named model (got one of a module that was made in Python); use "
            "VideoClassification.load_from_checkpoint(path, model=...)"
        )
    check_known(str(name), saved.get(MODULE, ""))
    options["model_options"] = migrated_options(name, options.get("model_options") or {})
    with fresh_weights(saved.get("state_dict", {})):
        return VideoClassification(**options)


def restored(saved: Mapping[str, Any]) -> VideoClassification:
    """The Lightning module of a checkpoint, with its weights; raises as :func:`task_of`."""
    task = task_of(saved)
    weights = migrated_weights(saved["state_dict"])
    check_weights(weights, task.state_dict(), "the model", "it may be of another version of pyg_video")
    task.load_state_dict(weights)
    return task


def _load_lightning(path: Path) -> Trained:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Expected a checkpoint file (got '{path}', which is none)")
    repair = "use an earlier one, or the .safetensors file beside it"
    with naming(path, "a whole checkpoint of pyg-video fit, of this version,", repair, (UnknownModelError,)):
        saved = read_checkpoint(path)
        task = restored(saved)
        return _trained(task.net.eval(), saved["hyper_parameters"])
