"""Training with Lightning, which is imported when something here is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batches import EpochBatches, WholeBatches
    from .cached_features import CachedFeatures
    from .callbacks import (
        AtomicCheckpointIO,
        BestCheckpoint,
        ExportBest,
        FreezeBatchNorm,
        best_checkpoint,
        last_checkpoint,
    )
    from .data import ClipBatches, ClipData, FreshClipBatches, MultiSyncMNISTData, SyncMNISTData
    from .distillation import OffsetDistillation
    from .evaluation import Evaluation, Score, evaluate
    from .evaluation_report import write_evaluation
    from .extractors import load_extractor
    from .loading import load_trained
    from .module import Prediction, VideoClassification
    from .region_agreement import RegionAgreement
    from .scored_clips import ScoredClips, configured_clips, recorded_clips
    from .something_something import SomethingSomethingData
    from .video_data import VideoData
    from .video_evaluation import evaluate_videos
    from .video_prediction import VideoPrediction, predict_video

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "CachedFeatures",
    "ClipBatches",
    "ClipData",
    "EpochBatches",
    "Evaluation",
    "ExportBest",
    "FreezeBatchNorm",
    "FreshClipBatches",
    "MultiSyncMNISTData",
    "OffsetDistillation",
    "Prediction",
    "RegionAgreement",
    "Score",
    "ScoredClips",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoClassification",
    "VideoData",
    "VideoPrediction",
    "WholeBatches",
    "best_checkpoint",
    "configured_clips",
    "evaluate",
    "evaluate_videos",
    "last_checkpoint",
    "load_extractor",
    "load_trained",
    "predict_video",
    "recorded_clips",
    "write_evaluation",
]

_HOMES = (
    *("scored_clips", "loading", "extractors", "evaluation", "evaluation_report", "video_evaluation"),
    *("video_prediction", "batches", "callbacks", "data", "cached_features", "module", "something_something"),
    *("video_data", "distillation", "region_agreement"),
)
"""Modules that have them; those that need no Lightning first."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f".{home}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
