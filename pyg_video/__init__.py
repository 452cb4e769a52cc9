"""Graph learning on video with PyTorch Geometric.

``import pyg_video`` loads nothing else; subpackages and the names below load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checkpoints import load_model, save_model
    from .data import Regions, VideoGraph
    from .models import VideoClassifier, create_model, list_models
    from .training import predict_video

__version__ = "0.1.0"

_HOME = {
    "Regions": "data",
    "VideoClassifier": "models",
    "VideoGraph": "data",
    "create_model": "models",
    "list_models": "models",
    "load_model": "checkpoints",
    "predict_video": "training",
    "save_model": "checkpoints",
}

__all__ = [
    "Regions",
    "VideoClassifier",
    "VideoGraph",
    "__version__",
    "create_model",
    "list_models",
    "load_model",
    "predict_video",
    "save_model",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
