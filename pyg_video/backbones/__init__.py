"""Backbones: frames to feature maps, in stages."""

from .features import Stage, VideoBackbone
from .plain_cnn import PlainCNN
from .small_cnn import SmallCNN

__all__ = ["PlainCNN", "SmallCNN", "Stage", "VideoBackbone"]
