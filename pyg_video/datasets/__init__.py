"""Data sets: synchronous digits generated on the fly, videos of your own, and Something-Something."""

from .digits.clips import DigitClips, EndlessSampler, SyncClip
from .digits.images import Digits, load_digits
from .digits.maps import digit_maps
from .digits.multi_sync_mnist import MultiSyncMNIST
from .digits.sync_mnist import SyncMNIST
from .folder.boxes import read_boxes
from .folder.lists import VideoEntry
from .folder.preparation import prepare_folder
from .folder.video_folder import VideoFolder
from .something.preparation import prepare
from .something.something_else import SomethingElse
from .something.something_something import SomethingSomething
from .video.checking import Report
from .video.clip import VideoClip
from .video.errors import VideoFileError
from .video.files import VideoInfo, decode_frames, iter_frames, probe_video
from .video.tracks import BoxTracks, VideoTracks

__all__ = [
    "BoxTracks",
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
    "VideoEntry",
    "VideoFileError",
    "VideoFolder",
    "VideoInfo",
    "VideoTracks",
    "decode_frames",
    "digit_maps",
    "iter_frames",
    "load_digits",
    "prepare",
    "prepare_folder",
    "probe_video",
    "read_boxes",
]
