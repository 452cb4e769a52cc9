"""Graphs, regions and attention of a model as data, and its cost in parameters, multiply-adds and time."""

from .cost import Cost, Latency, MultiplyAdds, model_cost
from .edges import on_edges
from .graphs import capture_graphs, capture_maps, find_builders, find_graphs
from .regions import BlockRegions, model_regions

__all__ = [
    "BlockRegions",
    "Cost",
    "Latency",
    "MultiplyAdds",
    "capture_graphs",
    "capture_maps",
    "find_builders",
    "find_graphs",
    "model_cost",
    "model_regions",
    "on_edges",
]
