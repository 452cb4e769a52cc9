"""Backbones: frames to feature maps, in stages."""

from .features import Stage, VideoBackbone
from .small_cnn import SmallCNN

__all__ = ["SmallCNN", "Stage", "VideoBackbone"]
