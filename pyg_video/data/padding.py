"""Clips of different numbers of frames or nodes as one graph with a common grid."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from .graph import VideoGraph

_COMPLETED = ("lengths", "mask", "edge_weight")


class Padded(NamedTuple):
    """A graph of clips of one layout, and where the nodes of the clips are in it.

    Shapes:
        - **place:** :math:`(V)`, or ``None`` where nothing was added
    """

    graph: VideoGraph
    place: Tensor | None

    def back(self, value: Tensor) -> Tensor:
        """The rows of a node attribute of the padded graph that are nodes of the clips."""
        return value if self.place is None else value[self.place]


def pad(graph: VideoGraph) -> Padded:
    """The clips of a graph with the same number of frames and of nodes per frame, see :meth:`VideoGraph.padded`."""
    if not graph.is_ragged:
        return Padded(graph, None)
    device, layouts = graph.x.device, torch.tensor(graph.clip_layouts)
    (T, N), B = layouts.amax(dim=0).tolist(), len(layouts)
    frames, nodes = (side.view(B, 1, 1) for side in layouts.unbind(1))
    there = (torch.arange(T)[:, None] < frames) & (torch.arange(N) < nodes)  # [B, T, N]
    place = there.flatten().nonzero().flatten().to(device)
    changed: dict[str, object] = {"edge_index": place[graph.edge_index]}
    for key, value in graph._store.items():
        if isinstance(value, Tensor) and graph.is_node_attr(key):
            changed[key] = value.new_zeros(B * T * N, *value.shape[1:]).index_put((place,), value)
    changed["batch"] = torch.arange(B, device=device).repeat_interleave(T * N)
    lengths = graph._store._mapping.get("lengths")
    if lengths is not None or bool((layouts[:, 0] < T).any()):
        changed["lengths"] = layouts[:, 0].to(device) if lengths is None else lengths
    if "mask" not in graph and bool((layouts[:, 1] < N).any()):
        changed["mask"] = there.flatten().to(device)
    rest = {key: value for key, value in graph._store._mapping.items() if key != "ptr"}
    return Padded(VideoGraph(**{**rest, **changed, "layout": (T, N)}), place)


def pad_clips(graphs: Sequence[VideoGraph]) -> VideoGraph:
    """Clips of different numbers of frames or nodes as one graph, whose ``frames`` are :math:`(B, T, N, C)`.

    A graph that PyG's :class:`~torch_geometric.loader.DataLoader` collates needs no padding: layers and readouts take
    it as it is. This is for what wants one grid, and for graphs of which only some have a ``mask``, ``lengths`` or an
    ``edge_weight``, which are completed: all nodes and frames count, all edges weigh 1.

    Args:
        graphs: graphs of one or more clips each.

    Returns:
        A graph with ``lengths`` if clips differ in their frames, and a ``mask`` if frames differ in their nodes.

    Raises:
        ValueError: there is no graph, or some lack another attribute, or maps have different sizes.

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> clips = [GridGraph(8)(torch.randn(1, T, 8, 6, 6)) for T in (2, 5)]
        >>> graph = pad_clips(clips)
        >>> graph.frames.shape, graph.lengths.tolist()
        (torch.Size([2, 5, 14, 8]), [2, 5])
    """
    if not graphs:
        raise ValueError("Expected at least one graph (got none)")
    wanted = [name for name in _COMPLETED if any(name in graph for graph in graphs)]
    graph: VideoGraph = Batch.from_data_list([_completed(graph, wanted) for graph in graphs]).padded()
    plain = {key: value for key, value in graph._store._mapping.items() if key not in ("ptr", "layout")}
    return VideoGraph(**{**plain, "layout": graph.frame_layout})


def _completed(graph: VideoGraph, names: Sequence[str]) -> VideoGraph:
    x = graph.x
    full = {
        "lengths": lambda: torch.tensor([T for T, _ in graph.clip_layouts], device=x.device),
        "mask": lambda: x.new_ones(x.size(0), dtype=torch.bool),
        "edge_weight": lambda: x.new_ones(graph.edge_index.size(1)),
    }
    return graph.with_attr(**{name: full[name]() for name in names if name not in graph})
