"""What travels between builders, layers and readouts."""

from .frames import Frames
from .graph import VideoGraph
from .padding import pad_clips
from .regions import Regions

__all__ = ["Frames", "Regions", "VideoGraph", "pad_clips"]
