"""The data sets as Lightning data modules."""

from .base import VideoData
from .batches import EpochBatches, WholeBatches
from .cached_features import CachedFeatures
from .digits import ClipBatches, ClipData, FreshClipBatches, MultiSyncMNISTData, SyncMNISTData
from .extractors import load_extractor
from .something_something import SomethingSomethingData

__all__ = [
    "CachedFeatures",
    "ClipBatches",
    "ClipData",
    "EpochBatches",
    "FreshClipBatches",
    "MultiSyncMNISTData",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoData",
    "WholeBatches",
    "load_extractor",
]
