"""Checks of the checkpoint that ``--ckpt_path`` names, before anything is trained or scored with it."""

import os
from typing import Any

from ..checkpoints.weights import check_weights
from ..training import VideoClassification
from ..training.loading import read_checkpoint, task_of

_KEYS = {"state_dict": dict, "hyper_parameters": dict, "pytorch-lightning_version": str}


def read_whole(path: str) -> dict[str, Any]:
    """The content of a checkpoint of Lightning; raises unless it is one."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Expected 'ckpt_path' to be a checkpoint of Lightning (got '{path}', no file)")
    try:
        saved = read_checkpoint(path, mmap=True)
    except Exception:  # of pickle and zip, of many kinds
        saved = {}
    if not isinstance(saved, dict) or not all(isinstance(saved.get(key), kind) for key, kind in _KEYS.items()):
        raise ValueError(
            f"Expected 'ckpt_path' to be a whole checkpoint of Lightning (got '{path}', which is truncated or "
            "something else); use an earlier one, or for a .safetensors file load_model"
        )
    return saved


def check_fits(saved: dict[str, Any], task: VideoClassification) -> None:
    """Raise unless the checkpoint is of the model that the configuration describes."""
    try:
        theirs = task_of(saved).net.recipe
    except TypeError as error:
        names = ", ".join(saved["hyper_parameters"])
        raise ValueError(
            f"Expected 'ckpt_path' to be a checkpoint of VideoClassification (got one with {names})"
        ) from error
    mine = task.net.recipe
    assert mine is not None  # both are named models
    assert theirs is not None
    differing = [(mine.name, f"one of {theirs.name}")] if mine.name != theirs.name else []
    for name, value in mine.options.items():
        if (other := theirs.options.get(name)) != value:
            differing.append((f"a model with {name} = {value}", f"one with {other}"))
    if differing:
        want, got = differing[0]
        raise ValueError(
            f"Expected 'ckpt_path' to be a checkpoint of {want} (got {got}); use the config.yaml of its run, "
            "two folders above it"
        )
    what = f"{mine.name} in 'ckpt_path'"
    check_weights(saved["state_dict"], task.state_dict(), what, "it may be of another version of pyg_video")
    if odd := [name for name, _ in task.named_parameters() if not bool(saved["state_dict"][name].isfinite().all())]:
        raise ValueError(
            f"Expected finite weights in 'ckpt_path' (got NaN or infinity in '{odd[0]}'); the training diverged, use "
            "an earlier checkpoint"
        )


def check_counters(saved: Any, fresh: Any, name: str = "loops") -> None:
    """Raise unless the counters of a training that goes on are counters; Lightning takes whatever it finds."""
    if isinstance(fresh, dict) and isinstance(saved, dict):
        for key in fresh.keys() & saved.keys():
            check_counters(saved[key], fresh[key], f"{name}.{key}")
    elif type(saved) is not type(fresh) or (isinstance(saved, int) and saved < 0):
        raise ValueError(
            f"Expected the state of a training in 'ckpt_path' (got {saved!r} for '{name}'); use an earlier one, or "
            "start anew"
        )
