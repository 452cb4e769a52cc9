"""Lightning data modules and their samplers."""

from .base import VideoData
from .batches import FreshBatches, SequentialBatches, ShuffledBatches
from .cached_features import CachedFeatures
from .digits import DigitData, MultiSyncMNISTData, SyncMNISTData
from .extractors import load_extractor
from .frame_cache import FrameCache
from .something_something import SomethingSomethingData
from .video_files import VideoFileData
from .video_folder import VideoFolderData

__all__ = [
    "CachedFeatures",
    "DigitData",
    "FrameCache",
    "FreshBatches",
    "MultiSyncMNISTData",
    "SequentialBatches",
    "ShuffledBatches",
    "SomethingSomethingData",
    "SyncMNISTData",
    "VideoData",
    "VideoFileData",
    "VideoFolderData",
    "load_extractor",
]
