"""Data sets: synchronous digits generated on the fly, and Something-Something read from files."""

from .digits import DigitClips, Digits, EndlessSampler, MultiSyncMNIST, SyncClip, SyncMNIST, load_digits
from .something import Report, SomethingElse, SomethingSomething, VideoClip, prepare
from .video import VideoFileError, VideoInfo, decode_frames, probe_video

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
