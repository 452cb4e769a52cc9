"""Training with Lightning, which is imported when something here is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batches import EpochBatches, WholeBatches
    from .callbacks import AtomicCheckpointIO, BestCheckpoint, ExportBest, best_checkpoint, last_checkpoint
    from .data import ClipBatches, ClipData, FreshClipBatches, MultiSyncMNISTData, SyncMNISTData
    from .module import Prediction, VideoClassification
    from .something_something import SomethingSomethingData
    from .video_data import VideoData

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "ClipBatches",
    "ClipData",
    "EpochBatches",
    "ExportBest",
    "FreshClipBatches",
    "MultiSyncMNISTData",
    "Prediction",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoClassification",
    "VideoData",
    "WholeBatches",
    "best_checkpoint",
    "last_checkpoint",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in ("batches", "callbacks", "data", "module", "something_something", "video_data"):
            module = import_module(f".{home}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
