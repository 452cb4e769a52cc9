"""Regions and attention of every block of a model, as data."""

from contextlib import ExitStack
from typing import Any, NamedTuple, cast

from torch import Tensor, nn

from ..data import VideoGraph
from ..functional import between_frames
from ..layers import DenseSpaceConv, SpaceConv
from .graphs import capture_graphs


class BlockRegions(NamedTuple):
    """Regions of the nodes of one block, and the attention between them.

    Shapes:
        - **box:** :math:`(B, T, N, 4)`, ``cxcywh`` as fractions of the frame
        - **kernel:** :math:`(B, T, N, H, W)`, the nodes' weights on the pixels of the block's map
        - **attention:** a tensor :math:`(B, T, N, N, heads)` for every iteration of the space stage, receivers before
          senders; 0 where there is no edge. That of edges between frames is left out
    """

    box: Tensor
    kernel: Tensor
    attention: tuple[Tensor, ...]


def model_regions(
    model: nn.Module, video: Tensor, lengths: Tensor | None = None, **given: Tensor
) -> dict[str, BlockRegions]:
    """Run a model on clips and return the regions and the attention of every block in it.

    Gradients are recorded; use :func:`torch.no_grad` where none are needed.

    Args:
        model: any module with :class:`~pyg_video.graph_builders.GraphBuilder` parts. The attention is that of the
            :class:`~pyg_video.layers.SpaceConv` and :class:`~pyg_video.layers.DenseSpaceConv` stages that run between
            a builder and the next.
        video: input of the model.
        lengths: number of valid frames of every clip, if the model takes them.
        **given: further inputs of the model, such as ``box``.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **output:** by the name of the builder within the model

    Example:
        >>> import torch
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame_size=40, num_iterations=2)
        >>> regions = model_regions(model, torch.rand(2, 8, 1, 40, 40))["blocks.stage3.builder"]
        >>> regions.box.shape, [alpha.shape for alpha in regions.attention]
        (torch.Size([2, 8, 9, 4]), [torch.Size([2, 8, 9, 9, 1]), torch.Size([2, 8, 9, 9, 1])])
    """
    attention: dict[str, tuple[VideoGraph, list[Tensor]]] = {}
    with capture_graphs(model) as graphs, ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, (SpaceConv, DenseSpaceConv)):
                stack.callback(module.register_forward_pre_hook(_ask_for_alpha, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(_take_alpha(graphs, attention)).remove)
        model(video, **given) if lengths is None else model(video, lengths, **given)
    return {
        name: BlockRegions(
            graph.grid(graph.need("box")),
            graph.grid(graph.need("kernel")),
            tuple(attention[name][1] if name in attention else ()),
        )
        for name, graph in graphs.items()
    }


def _ask_for_alpha(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
    return args, {**kwargs, "return_attention_weights": True}


def _take_alpha(graphs: dict[str, VideoGraph], attention: dict[str, tuple[VideoGraph, list[Tensor]]]) -> Any:
    """A hook that records the attention in a space stage's output and returns the nodes."""

    def hook(module: nn.Module, args: Any, output: Any) -> Tensor:  # noqa: ARG001
        nodes, alpha = output  # alpha of pairs, or edges and their alpha
        if graphs:
            name, graph = next(reversed(graphs.items()))  # of the builder that ran last
            if name not in attention or attention[name][0] is not graph:
                attention[name] = (graph, [])
            T, N = graph.frame_layout
            is_dense = not isinstance(alpha, tuple)
            pairs = alpha.view(-1, T, N, N, alpha.size(-1)) if is_dense else _within_frames(graph, *alpha)
            attention[name][1].append(pairs)
        return cast(Tensor, nodes)

    return hook


def _within_frames(graph: VideoGraph, edge_index: Tensor, alpha: Tensor) -> Tensor:
    """The attention of edges as a matrix of pairs; that between frames has no place in it."""
    inside = ~between_frames(edge_index, graph.frame_layout[1])
    return graph.with_attr(edge_index=edge_index[:, inside]).dense_edges(alpha[inside])
