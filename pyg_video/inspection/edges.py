"""A model whose messages all pass along edges, and the masks that PyG's explainers put on these."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from ..data import VideoGraph
from ..layers import DenseSpaceConv

Model = TypeVar("Model", bound=nn.Module)


def on_edges(model: Model) -> Model:
    """A copy of a model in which every ``DenseSpaceConv`` is a ``SpaceConv`` with the same parameters.

    The numbers are the same. PyG's explainers learn a mask over the edges, which only messages along edges obey.

    Example:
        >>> from pyg_video.layers import SpaceConv
        >>> from pyg_video.models import create_model
        >>> model = on_edges(create_model("dyreg_gnn_sync_mnist"))
        >>> [type(part).__name__ for part in model.modules() if isinstance(part, (DenseSpaceConv, SpaceConv))]
        ['SpaceConv']
    """
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, part in module.named_children():
            if isinstance(part, DenseSpaceConv):
                setattr(module, name, part.sparse())
    return model


@contextmanager
def hooks(parts: list[nn.Module], hook: Any) -> Iterator[None]:
    """A forward hook on some modules."""
    with ExitStack() as stack:
        for part in parts:
            stack.callback(part.register_forward_hook(hook).remove)
        yield


@contextmanager
def masks_follow_edges(layers: set[MessagePassing], graph: VideoGraph, by_attention: bool) -> Iterator[None]:
    """Give every layer the part of the mask that belongs to its edges, where it has others than the graph."""
    whole: dict[MessagePassing, tuple[Tensor, Tensor]] = {}

    def choose(layer: MessagePassing, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        x, edge_index = given.get("x", args[0] if args else None), given.get("edge_index", (*args, None, None)[1])
        which = _places(x, edge_index, graph)
        if which is None or (layer._edge_mask is None and not by_attention):
            return
        if by_attention:
            raise ValueError(
                "Expected one convolution over all edges where attention is explained (got one over some of them); "
                "use GNNExplainer, or SpaceTimeConv without 'time_conv'"
            )
        whole[layer] = layer._edge_mask, layer._loop_mask
        layer._parameters.pop("_edge_mask", None)  # a tensor can't take the place of a parameter
        layer._edge_mask, layer._loop_mask = whole[layer][0][which], edge_index[0] != edge_index[1]

    def put_back(layer: MessagePassing, args: object, y: object) -> None:  # noqa: ARG001
        if layer in whole:
            layer._edge_mask, layer._loop_mask = whole.pop(layer)

    with ExitStack() as stack, hooks([*layers], put_back):
        for layer in layers:
            stack.callback(layer.register_forward_pre_hook(choose, with_kwargs=True).remove)
        yield


def _places(x: Any, edge_index: Any, graph: VideoGraph) -> Tensor | None:
    """Where the edges of a layer stand among those of the graph; ``None`` if they are the same."""
    x = x[0] if isinstance(x, (tuple, list)) else x
    same_nodes = isinstance(x, Tensor) and x.size(0) == graph.num_nodes
    edges = graph.edge_index
    as_many = isinstance(edge_index, Tensor) and edge_index.size(1) == edges.size(1)
    if as_many and (not same_nodes or torch.equal(edge_index, edges)):  # without nodes that do not count
        return None
    if same_nodes and isinstance(edge_index, Tensor):
        V = graph.num_nodes
        known, order = (edges[0] * V + edges[1]).sort()
        asked = edge_index[0] * V + edge_index[1]
        place = torch.searchsorted(known, asked).clamp(max=len(known) - 1)
        if torch.equal(known[place], asked):
            return order[place]
    raise ValueError(
        "Expected messages along the edges of the graph (got others, or those of some nodes); give clips without "
        "padding, and make edges over time with ConnectInTime"
    )
