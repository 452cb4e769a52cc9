"""The graphs that a model makes on the way, as data."""

from typing import Any

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..graph_builders import GraphBuilder


@torch.no_grad()
def find_graphs(model: nn.Module, video: Tensor, **given: Tensor) -> dict[str, VideoGraph]:
    """Run a model on clips and give the graph that each builder in it made, with its regions and kernels.

    Args:
        model: any module with :class:`~pyg_video.graph_builders.GraphBuilder` parts.
        video: what the model takes.
        **given: what else it takes, such as ``box``.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **output:** by the name of the builder within the model; ``graph.grid(graph.box)`` are the regions,
          :math:`(B, T, N, 4)`

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame=40).eval()
        >>> graphs = find_graphs(model, torch.rand(2, 8, 1, 40, 40))
        >>> {name: tuple(graph.grid(graph.box).shape) for name, graph in graphs.items()}
        {'blocks.stage3.builder': (2, 8, 9, 4)}
    """
    graphs: dict[str, VideoGraph] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], graph: VideoGraph) -> None:  # noqa: ARG001
            graphs[name] = graph

        return hook

    builders = [(name, module) for name, module in model.named_modules() if isinstance(module, GraphBuilder)]
    if not builders:
        raise ValueError(f"Expected 'model' with a GraphBuilder in it (got {type(model).__name__} without one)")
    handles = [module.register_forward_hook(keep(name)) for name, module in builders]
    try:
        model(video, **given)
    finally:
        for handle in handles:
            handle.remove()
    return graphs
