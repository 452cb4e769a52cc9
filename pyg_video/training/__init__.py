"""Training with Lightning, which is imported when something here is first used."""

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from .callbacks import (
        AtomicCheckpointIO,
        BestCheckpoint,
        ExportBest,
        FreezeBatchNorm,
        best_checkpoint,
        last_checkpoint,
    )
    from .data import (
        CachedFeatures,
        ClipBatches,
        ClipData,
        EpochBatches,
        FreshClipBatches,
        MultiSyncMNISTData,
        SomethingSomethingData,
        SyncMNISTData,
        VideoData,
        WholeBatches,
        load_extractor,
    )
    from .distillation import OffsetDistillation
    from .loading import load_trained
    from .module import Prediction, VideoClassification
    from .region_agreement import RegionAgreement

_HOMES = {
    "AtomicCheckpointIO": "callbacks",
    "BestCheckpoint": "callbacks",
    "CachedFeatures": "data",
    "ClipBatches": "data",
    "ClipData": "data",
    "EpochBatches": "data",
    "ExportBest": "callbacks",
    "FreezeBatchNorm": "callbacks",
    "FreshClipBatches": "data",
    "MultiSyncMNISTData": "data",
    "OffsetDistillation": "distillation",
    "Prediction": "module",
    "RegionAgreement": "region_agreement",
    "SomethingSomethingData": "data",
    "SyncMNISTData": "data",
    "VideoClassification": "module",
    "VideoData": "data",
    "WholeBatches": "data",
    "best_checkpoint": "callbacks",
    "last_checkpoint": "callbacks",
    "load_extractor": "data",
    "load_trained": "loading",
}

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "CachedFeatures",
    "ClipBatches",
    "ClipData",
    "EpochBatches",
    "ExportBest",
    "FreezeBatchNorm",
    "FreshClipBatches",
    "MultiSyncMNISTData",
    "OffsetDistillation",
    "Prediction",
    "RegionAgreement",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoClassification",
    "VideoData",
    "WholeBatches",
    "best_checkpoint",
    "last_checkpoint",
    "load_extractor",
    "load_trained",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "train")
