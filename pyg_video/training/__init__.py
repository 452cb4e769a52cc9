"""Training with Lightning, which is imported on first use."""

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
        DigitData,
        FreshBatches,
        MultiSyncMNISTData,
        SequentialBatches,
        ShuffledBatches,
        SomethingSomethingData,
        SyncMNISTData,
        VideoData,
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
    "DigitData": "data",
    "ExportBest": "callbacks",
    "FreezeBatchNorm": "callbacks",
    "FreshBatches": "data",
    "MultiSyncMNISTData": "data",
    "OffsetDistillation": "distillation",
    "Prediction": "module",
    "RegionAgreement": "region_agreement",
    "SequentialBatches": "data",
    "ShuffledBatches": "data",
    "SomethingSomethingData": "data",
    "SyncMNISTData": "data",
    "VideoClassification": "module",
    "VideoData": "data",
    "best_checkpoint": "callbacks",
    "last_checkpoint": "callbacks",
    "load_extractor": "data",
    "load_trained": "loading",
}

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "CachedFeatures",
    "DigitData",
    "ExportBest",
    "FreezeBatchNorm",
    "FreshBatches",
    "MultiSyncMNISTData",
    "OffsetDistillation",
    "Prediction",
    "RegionAgreement",
    "SequentialBatches",
    "ShuffledBatches",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoClassification",
    "VideoData",
    "best_checkpoint",
    "last_checkpoint",
    "load_extractor",
    "load_trained",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "train")
