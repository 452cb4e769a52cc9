"""Models that come from folders and from the Hugging Face Hub, and go there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Self


class HubMixin:
    """``from_pretrained``, ``save_pretrained`` and ``push_to_hub``, as Hugging Face's own models have them.

    They are short for the functions of :mod:`pyg_video.checkpoints`, which is imported when one of them is called.
    """

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str], *, revision: str | None = None) -> Self:
        """The model of a folder, a file or a repository, see :func:`~pyg_video.checkpoints.load_model`."""
        model = _checkpoints().load_model(name, revision=revision)
        if not isinstance(model, cls):
            raise TypeError(f"Expected a {cls.__name__} in '{name}' (got a {type(model).__name__})")
        return model

    def save_pretrained(self, folder: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> Path:
        """Write a folder for the Hub, see :func:`~pyg_video.checkpoints.save_pretrained`."""
        path: Path = _checkpoints().save_pretrained(self, folder, metadata)
        return path

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload the model, see :func:`~pyg_video.checkpoints.push_to_hub`."""
        address: str = _checkpoints().push_to_hub(self, repo_id, **options)
        return address


def _checkpoints() -> ModuleType:
    """Files are made of models, so models cannot import what makes files before they are asked to."""
    return import_module("pyg_video.checkpoints")
