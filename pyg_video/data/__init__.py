"""What travels between builders, layers and readouts."""

from .frames import Frames
from .graph import Regions, VideoGraph

__all__ = ["Frames", "Regions", "VideoGraph"]
