"""Graph learning on video with PyTorch Geometric.

``import pyg_video`` loads nothing else; subpackages and the names below load when they are first used.
"""

from typing import TYPE_CHECKING

from ._lazy import lazy_names
from ._version import __version__

if TYPE_CHECKING:
    from .checkpoints import load_model, save_model
    from .data import Regions, VideoGraph
    from .evaluation import predict_video
    from .models import VideoClassifier, create_model, list_models

_HOMES = {
    "Regions": "data",
    "VideoClassifier": "models",
    "VideoGraph": "data",
    "create_model": "models",
    "list_models": "models",
    "load_model": "checkpoints",
    "predict_video": "evaluation",
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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
