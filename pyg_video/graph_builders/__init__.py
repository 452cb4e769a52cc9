"""Every way to make nodes from a feature map, behind one interface."""

from .base import GraphBuilder
from .grid import GridGraph
from .region import RegionGraph
from .region_generators import FullyConnectedGenerator, HourGlass, LearnedVectors, PooledGenerator

__all__ = [
    "FullyConnectedGenerator",
    "GraphBuilder",
    "GridGraph",
    "HourGlass",
    "LearnedVectors",
    "PooledGenerator",
    "RegionGraph",
]
