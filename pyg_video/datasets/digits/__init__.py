"""Synchronous digits, generated on the fly."""

from .clips import DigitClips, EndlessSampler, SyncClip
from .images import Digits, load_digits
from .multi_sync_mnist import MultiSyncMNIST
from .sync_mnist import SyncMNIST

__all__ = ["DigitClips", "Digits", "EndlessSampler", "MultiSyncMNIST", "SyncClip", "SyncMNIST", "load_digits"]
