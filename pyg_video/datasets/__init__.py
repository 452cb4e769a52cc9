"""Videos to learn from: synchronous digits, made on the fly."""

from pyg_video.datasets.clips import DigitClips, EndlessSampler, SyncClip
from pyg_video.datasets.digits import Digits, load_digits
from pyg_video.datasets.multi_sync_mnist import MultiSyncMNIST
from pyg_video.datasets.sync_mnist import SyncMNIST

__all__ = ["DigitClips", "Digits", "EndlessSampler", "MultiSyncMNIST", "SyncClip", "SyncMNIST", "load_digits"]
