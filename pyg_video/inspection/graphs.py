"""The graphs that a model builds while it runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..graph_builders import GraphBuilder

Read = TypeVar("Read")


def find_builders(model: nn.Module) -> dict[str, GraphBuilder]:
    """The builders of a model by their names within it.

    Raises:
        ValueError: there is none.
    """
    builders = {name: module for name, module in model.named_modules() if isinstance(module, GraphBuilder)}
    if not builders:
        raise ValueError(f"Expected 'model' with a GraphBuilder in it (got {type(model).__name__} without one)")
    return builders


@contextmanager
def capture_graphs(model: nn.Module) -> Iterator[dict[str, VideoGraph]]:
    """Collect the graphs of all builders, with gradients, while the model runs in the ``with`` block.

    The model may run as a whole or, with :func:`~pyg_video.layers.scan`, on the next frames of a stream. The dict
    holds the graph of every builder's last call under the builder's name within the model; the builder that ran last
    comes last.

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame_size=40, gain=0.3)
        >>> with capture_graphs(model) as graphs:
        ...     scores = model(torch.rand(2, 8, 1, 40, 40))
        >>> graphs["blocks.stage3.builder"].box.requires_grad
        True
    """
    with _captured(model, lambda given, graph: graph) as graphs:  # noqa: ARG005
        yield graphs


@contextmanager
def capture_maps(model: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor | None]]]:
    """Collect the inputs of all builders, feature map and ``lengths``, as :func:`capture_graphs` does their graphs."""
    with _captured(model, lambda given, graph: (given["x"], given.get("lengths"))) as maps:  # noqa: ARG005
        yield maps


@contextmanager
def _captured(model: nn.Module, read: Callable[[dict[str, Any], VideoGraph], Read]) -> Iterator[dict[str, Read]]:
    """What ``read`` takes from the arguments and the graph of every builder's last call."""
    found: dict[str, Read] = {}

    def keep(name: str, scan: Any, x: Tensor, state: Any = None, lengths: Tensor | None = None, **info: Any) -> Any:
        graph, state = scan(x, state, lengths, **info)
        found.pop(name, None)
        found[name] = read({"x": x, "lengths": lengths}, graph)
        return graph, state

    with ExitStack() as stack:
        for name, builder in find_builders(model).items():
            own = vars(builder)  # forward runs scan as well
            restore = partial(own.update, scan=own["scan"]) if "scan" in own else partial(own.pop, "scan")
            own["scan"] = partial(keep, name, builder.scan)
            stack.callback(restore)
        yield found


@torch.no_grad()
def find_graphs(model: nn.Module, video: Tensor, **given: Tensor) -> dict[str, VideoGraph]:
    """Run a model on clips and return the graph of every builder in it, with its regions and kernels.

    Args:
        model: any module with :class:`~pyg_video.graph_builders.GraphBuilder` parts.
        video: input of the model.
        **given: further inputs of the model, such as ``box``.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **output:** graphs by the name of their builder within the model; ``graph.grid(graph.box)`` are the regions,
          :math:`(B, T, N, 4)`

    Example:
        >>> from pyg_video.models import create_model
        >>> model = create_model("dyreg_gnn_sync_mnist", num_classes=10, frame_size=40).eval()
        >>> graphs = find_graphs(model, torch.rand(2, 8, 1, 40, 40))
        >>> {name: tuple(graph.grid(graph.box).shape) for name, graph in graphs.items()}
        {'blocks.stage3.builder': (2, 8, 9, 4)}
    """
    with capture_graphs(model) as graphs:
        model(video, **given)
    return graphs
