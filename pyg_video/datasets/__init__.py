"""Data sets: synchronous digits generated on the fly, and Something-Something read from files."""

from .digits.clips import DigitClips, EndlessSampler, SyncClip
from .digits.images import Digits, load_digits
from .digits.maps import digit_maps
from .digits.multi_sync_mnist import MultiSyncMNIST
from .digits.sync_mnist import SyncMNIST
from .something.preparation import Report, prepare
from .something.something_else import SomethingElse
from .something.something_something import SomethingSomething, VideoClip
from .video.errors import VideoFileError
from .video.files import VideoInfo, decode_frames, probe_video

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
    "digit_maps",
    "load_digits",
    "prepare",
    "probe_video",
]
