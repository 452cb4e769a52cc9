"""What travels between builders, layers and readouts."""

from .frames import Frames
from .graph import Regions, VideoGraph
from .padding import pad_clips

__all__ = ["Frames", "Regions", "VideoGraph", "pad_clips"]
