"""Graphs, regions, attention and explanations of a model as data; its parameters, multiply-adds and latency."""

from .cost import Cost, Latency, MultiplyAdds, model_cost
from .edges import on_edges
from .explanation import explain, explain_graph
from .graphs import capture_graphs, capture_maps, find_builders, find_graphs
from .regions import BlockRegions, model_regions

__all__ = [
    "BlockRegions",
    "Cost",
    "Latency",
    "MultiplyAdds",
    "capture_graphs",
    "capture_maps",
    "explain",
    "explain_graph",
    "find_builders",
    "find_graphs",
    "model_cost",
    "model_regions",
    "on_edges",
]
