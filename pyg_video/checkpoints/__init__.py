"""Trained models on disk: safetensors with the recipe inside."""

from .files import CheckpointInfo, checkpoint_info, load_model, save_model
from .shipped import shipped_checkpoint

__all__ = ["CheckpointInfo", "checkpoint_info", "load_model", "save_model", "shipped_checkpoint"]
