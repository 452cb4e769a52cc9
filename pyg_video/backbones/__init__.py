"""Backbones: frames to feature maps, in stages."""

from .features import Stage, VideoBackbone
from .non_local import NonLocal
from .small_cnn import SmallCNN

__all__ = ["NonLocal", "SmallCNN", "Stage", "VideoBackbone"]
