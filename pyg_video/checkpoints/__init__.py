"""Trained models on disk: safetensors with the recipe inside; weights of the released code."""

from .files import CheckpointInfo, checkpoint_info, load_model, save_model
from .published_dyreg import load_published_dyreg_block
from .shipped import shipped_checkpoint

__all__ = [
    "CheckpointInfo",
    "checkpoint_info",
    "load_model",
    "load_published_dyreg_block",
    "save_model",
    "shipped_checkpoint",
]
