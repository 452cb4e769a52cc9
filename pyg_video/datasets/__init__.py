"""Videos to learn from: synchronous digits, made on the fly, and Something-Something, read from files."""

from pyg_video.datasets.clips import DigitClips, EndlessSampler, SyncClip
from pyg_video.datasets.digits import Digits, load_digits
from pyg_video.datasets.multi_sync_mnist import MultiSyncMNIST
from pyg_video.datasets.preparation import Report, prepare
from pyg_video.datasets.something_else import SomethingElse
from pyg_video.datasets.something_something import SomethingSomething, VideoClip
from pyg_video.datasets.sync_mnist import SyncMNIST
from pyg_video.datasets.video_files import VideoFileError, VideoInfo, decode_frames, probe_video

__all__ = [
    "DigitClips",
    "Digits",
    "EndlessSampler",
    "MultiSyncMNIST",
    "Report",
    "SomethingElse",
    "SomethingSomething",
    "SyncClip",
    "SyncMNIST",
    "VideoClip",
    "VideoFileError",
    "VideoInfo",
    "decode_frames",
    "load_digits",
    "prepare",
    "probe_video",
]
