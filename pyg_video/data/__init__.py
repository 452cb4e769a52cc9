"""The two things that travel between builders, layers and readouts."""

from .graph import Regions, VideoGraph

__all__ = ["Regions", "VideoGraph"]
