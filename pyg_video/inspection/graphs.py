"""The graphs that a model makes on the way, with their regions and attention, as data."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..graph_builders import GraphBuilder
from ..layers import SpaceConv


class BlockRegions(NamedTuple):
    """Where the nodes of one block are, and how they looked at each other.

    Shapes:
        - **box:** :math:`(B, T, N, 4)`, ``cxcywh`` as fractions of the frame
        - **kernel:** :math:`(B, T, N, H, W)`, the nodes' weights on the pixels of the block's map
        - **attention:** a tensor :math:`(B, T, N, N, heads)` for every iteration of the space stage: the weight that a
          node (first) gives to the message of another (second), 0 where there is no edge
    """

    box: Tensor
    kernel: Tensor
    attention: tuple[Tensor, ...]


def find_builders(model: nn.Module) -> dict[str, GraphBuilder]:
    """The builders in a model by their names within it; a :exc:`ValueError` if there is none."""
    builders = {name: module for name, module in model.named_modules() if isinstance(module, GraphBuilder)}
    if not builders:
        raise ValueError(f"Expected 'model' with a GraphBuilder in it (got {type(model).__name__} without one)")
    return builders


@contextmanager
def capture_graphs(model: nn.Module) -> Iterator[dict[str, VideoGraph]]:
    """Collect the graph that every builder makes while the model runs, with its gradients, whoever runs it.

    Nothing stays on the model: the graphs are in the dict that this gives, by the name of the builder within the
    model, each as of the builder's last call.

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame=40, gain=0.3)
        >>> with capture_graphs(model) as graphs:
        ...     scores = model(torch.rand(2, 8, 1, 40, 40))
        >>> graphs["blocks.stage3.builder"].box.requires_grad
        True
    """
    graphs: dict[str, VideoGraph] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], graph: VideoGraph) -> None:  # noqa: ARG001
            graphs.pop(name, None)  # the builder that ran last comes last
            graphs[name] = graph

        return hook

    with ExitStack() as stack:
        for name, builder in find_builders(model).items():
            stack.callback(builder.register_forward_hook(keep(name)).remove)
        yield graphs


@contextmanager
def capture_maps(model: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor | None]]]:
    """Collect what every builder is given while the model runs: its feature map and ``lengths``.

    Works as :func:`capture_graphs` does.
    """
    maps: dict[str, tuple[Tensor, Tensor | None]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG001
            x, lengths = (*args, *kwargs.values(), None)[:2]
            maps[name] = (x, lengths)

        return hook

    with ExitStack() as stack:
        for name, builder in find_builders(model).items():
            stack.callback(builder.register_forward_pre_hook(keep(name), with_kwargs=True).remove)
        yield maps


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
    with capture_graphs(model) as graphs:
        model(video, **given)
    return graphs


def model_regions(
    model: nn.Module, video: Tensor, lengths: Tensor | None = None, **given: Tensor
) -> dict[str, BlockRegions]:
    """Run a model on clips and give regions and attention of every block in it, per clip and frame.

    Gradients flow as in any call of the model; wrap it in :func:`torch.no_grad` where none are needed.

    Args:
        model: any module with :class:`~pyg_video.graph_builders.GraphBuilder` parts. The attention is that of the
            :class:`~pyg_video.layers.SpaceConv` stages that run between a builder and the next.
        video: what the model takes.
        lengths: frames of every clip that count, where the model takes them.
        **given: what else it takes, such as ``box``.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **lengths:** :math:`(B)`
        - **output:** by the name of the builder within the model, see :class:`BlockRegions`

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame=40, num_iterations=2)
        >>> regions = model_regions(model, torch.rand(2, 8, 1, 40, 40))["blocks.stage3.builder"]
        >>> regions.box.shape, [alpha.shape for alpha in regions.attention]
        (torch.Size([2, 8, 9, 4]), [torch.Size([2, 8, 9, 9, 1]), torch.Size([2, 8, 9, 9, 1])])
    """
    attention: dict[str, tuple[VideoGraph, list[Tensor]]] = {}
    with capture_graphs(model) as graphs, ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, SpaceConv):
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
    """A hook that takes the attention out of what a space stage gives, and hands on the rest."""

    def hook(module: nn.Module, args: Any, output: Any) -> Tensor:  # noqa: ARG001
        nodes, (edge_index, alpha) = output
        if graphs:
            name, graph = next(reversed(graphs.items()))  # of the builder that ran last
            if name not in attention or attention[name][0] is not graph:
                attention[name] = (graph, [])
            attention[name][1].append(_dense(graph, edge_index, alpha))
        result: Tensor = nodes
        return result

    return hook


def _dense(graph: VideoGraph, edge_index: Tensor, alpha: Tensor) -> Tensor:
    """Attention on edges, :math:`(E, heads)`, as :math:`(B, T, N, N, heads)`, receivers first."""
    N = graph.frame_layout[1]
    source, target = edge_index
    pairs = alpha.new_zeros(graph.need("x").size(0), N, alpha.size(-1))
    return graph.grid(pairs.index_put((target, source % N), alpha, accumulate=True))
