"""What a model did and what it costs: its graphs, regions and attention as data, parameters, multiply-adds, time."""

from .cost import Cost, Latency, MultiplyAdds, model_cost
from .graphs import BlockRegions, capture_graphs, capture_maps, find_builders, find_graphs, model_regions

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
]
