"""Trained models on disk: safetensors with the recipe inside; weights of the released code."""

from .files import CheckpointInfo, checkpoint_info, save_model
from .hub import find_checkpoint, load_model, push_to_hub, save_pretrained
from .published.dyreg import load_published_dyreg
from .published.dyreg_block import load_published_dyreg_block
from .published.rstg import PublishedRSTG, load_published_rstg, load_published_rstg_network
from .published.tsm import load_published_tsm
from .shipped import SHIPPED_TASK, shipped_checkpoint

__all__ = [
    "SHIPPED_TASK",
    "CheckpointInfo",
    "PublishedRSTG",
    "checkpoint_info",
    "find_checkpoint",
    "load_model",
    "load_published_dyreg",
    "load_published_dyreg_block",
    "load_published_rstg",
    "load_published_rstg_network",
    "load_published_tsm",
    "push_to_hub",
    "save_model",
    "save_pretrained",
    "shipped_checkpoint",
]
