"""Training with Lightning, which is imported when something here is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .callbacks import AtomicCheckpointIO, BestCheckpoint, ExportBest, best_checkpoint, last_checkpoint
    from .data import ClipBatches, ClipData, FreshClipBatches, MultiSyncMNISTData, SyncMNISTData
    from .distillation import OffsetDistillation
    from .module import Prediction, VideoClassification
    from .region_agreement import RegionAgreement

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "ClipBatches",
    "ClipData",
    "ExportBest",
    "FreshClipBatches",
    "MultiSyncMNISTData",
    "OffsetDistillation",
    "Prediction",
    "RegionAgreement",
    "SyncMNISTData",
    "VideoClassification",
    "best_checkpoint",
    "last_checkpoint",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in ("callbacks", "data", "distillation", "module", "region_agreement"):
            module = import_module(f".{home}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
