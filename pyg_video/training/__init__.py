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
        FrameCache,
        FreshBatches,
        MultiSyncMNISTData,
        SequentialBatches,
        ShuffledBatches,
        SomethingSomethingData,
        SyncMNISTData,
        VideoData,
        VideoFileData,
        VideoFolderData,
        load_extractor,
    )
    from .distillation import OffsetDistillation
    from .loading import load_trained
    from .module import Prediction, VideoClassification
    from .region_agreement import RegionAgreement
    from .side_by_side import SideBySide
    from .still_frames import distance_to_digits, fit_stills

_NAMES = {
    "callbacks": "AtomicCheckpointIO BestCheckpoint ExportBest FreezeBatchNorm best_checkpoint last_checkpoint",
    "data": "CachedFeatures DigitData FrameCache FreshBatches MultiSyncMNISTData SequentialBatches ShuffledBatches "
    "SomethingSomethingData SyncMNISTData VideoData VideoFileData VideoFolderData load_extractor",
    "distillation": "OffsetDistillation",
    "loading": "load_trained",
    "module": "Prediction VideoClassification",
    "region_agreement": "RegionAgreement",
    "side_by_side": "SideBySide",
    "still_frames": "distance_to_digits fit_stills",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "CachedFeatures",
    "DigitData",
    "ExportBest",
    "FrameCache",
    "FreezeBatchNorm",
    "FreshBatches",
    "MultiSyncMNISTData",
    "OffsetDistillation",
    "Prediction",
    "RegionAgreement",
    "SequentialBatches",
    "ShuffledBatches",
    "SideBySide",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoClassification",
    "VideoData",
    "VideoFileData",
    "VideoFolderData",
    "best_checkpoint",
    "distance_to_digits",
    "fit_stills",
    "last_checkpoint",
    "load_extractor",
    "load_trained",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "train")
