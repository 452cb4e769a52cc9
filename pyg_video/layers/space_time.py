"""Convolutions over the edges of space and time."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric.nn.inits import reset

from .._checks import looks_free
from .._tracing import NotScriptable
from ..data import VideoGraph
from ..data.padding import pad
from ..functional import between_frames
from .space_call import is_dense, space_call

LOOKS_AHEAD: dict[type[nn.Module], str] = {
    pyg.ChebConv: "it counts the edges out of a node, also those to later frames",
    pyg.DirGNNConv: "it sends along edges both ways",
}
"""Convolutions of PyG whose output depends on later frames although all edges go forward, and why."""


class SpaceTimeConv(NotScriptable, nn.Module):
    r"""Any PyG convolution over all edges of a clip, those within frames and those between frames.

    With one convolution, both kinds of edges are treated alike; with two, each has its own and the outputs are summed,
    as by PyG's :class:`~torch_geometric.nn.conv.HeteroConv`:

    .. math:: v' = \mathrm{conv}_S(v, \mathcal{E}_S \cup \mathcal{E}_T) \qquad \text{or} \qquad
        v' = \mathrm{conv}_S(v, \mathcal{E}_S) + \mathrm{conv}_T(v, \mathcal{E}_T)

    :class:`~pyg_video.graph_builders.ConnectInTime` makes the edges between frames: before this layer, or as its part
    ``connect``, which a stream needs. Where they go forward, no frame sees a later one, whatever the convolution but
    ``ChebConv`` and ``DirGNNConv``, which look ahead. What a ``forward`` names is passed on as by :class:`RSTG`, so
    that norms and ``batch`` take frames for graphs. ``torch.compile`` breaks the graph at two convolutions.

    Args:
        space_conv: message passing ``(x, edge_index) -> x``: :class:`SpaceConv` or any PyG convolution. With a
            ``time_conv``, also one on matrices of pairs, such as :class:`DenseSpaceConv`.
        time_conv: the same for edges between frames; ``None`` if ``space_conv`` takes all edges.
        connect: makes the edges between frames in the graph that is given, which has none; the result has none,
            either. ``None`` for graphs that have them.
        hops: rounds of messages in the convolution that runs over time; by default those of its layers together,
            such as the 3 of ``TAGConv(K=3)``. A stream remembers ``steps * (hops + 1)`` frames: those that are reached,
            and those that the degree of a sender depends on.

    Shapes:
        - **graph:** a :class:`~pyg_video.data.VideoGraph` with node features :math:`(V, C)`
        - **output:** the same graph with node features :math:`(V, C')`, those of the convolution

    Example:
        >>> from torch_geometric.nn import GATv2Conv
        >>> from pyg_video.graph_builders import ConnectInTime, GridGraph
        >>> conv = SpaceTimeConv(GATv2Conv(8, 16), GATv2Conv(8, 16), connect=ConnectInTime("same_node", steps=2))
        >>> conv(GridGraph(8)(torch.randn(2, 4, 8, 7, 7)))  # doctest: +ELLIPSIS
        VideoGraph(x=[112, 16], edge_index=[2, 720], ...)
    """

    def __init__(
        self,
        space_conv: nn.Module,
        time_conv: nn.Module | None = None,
        *,
        connect: nn.Module | None = None,
        hops: int | None = None,
    ) -> None:
        super().__init__()
        if hops is not None and hops < 1:
            raise ValueError(f"Expected 'hops' of at least 1 (got {hops})")
        over_time = space_conv if time_conv is None else time_conv
        if is_dense(over_time):
            raise ValueError(
                f"Expected a convolution on edges for those between frames (got {type(over_time).__name__}, which "
                "works on frames of pairs); use SpaceConv, or a 'time_conv' of its own"
            )
        self.space_conv = space_conv
        self.time_conv = time_conv
        self.connect = connect
        self.hops = _rounds(over_time) if hops is None else hops

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        if not isinstance(graph, VideoGraph):
            raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
        graph.need("edge_index")
        if graph.is_ragged:
            padded = pad(graph)
            return graph.with_x(padded.back(self(padded.graph).x))
        return graph.with_x(self._convolve(graph).flatten(0, 2))

    def scan(
        self, graph: VideoGraph, state: Mapping[str, Tensor] | None = None
    ) -> tuple[VideoGraph, dict[str, Tensor]]:
        """Continue from the state of an earlier call; also return the state, what the last frames were.

        Raises:
            TypeError: edges between frames are not made here, go backward, or the convolution looks ahead.
            ValueError: there are several edges from one node to another.
        """
        memory = self._memory()
        if graph.is_ragged:
            padded = pad(graph)
            result, after = self.scan(padded.graph, state)
            return graph.with_x(padded.back(result.x)), after
        chunk = _frames_of(graph)
        before = {name: v.new_zeros(v.size(0), memory, *v.shape[2:]) for name, v in chunk.items()}
        frames = {name: torch.cat([v, chunk[name]], dim=1) for name, v in (state or before).items()}
        x = self._convolve(_graph_of(frames))[:, memory:]
        return graph.with_x(x.flatten(0, 2)), {name: v[:, -memory:].clone() for name, v in frames.items()}

    def _convolve(self, graph: VideoGraph) -> Tensor:
        """The nodes afterwards, :math:`(B, T, N, C')`."""
        graph = graph if self.connect is None else self.connect(graph)
        if self.time_conv is None:
            return _run(self.space_conv, graph)
        in_time = between_frames(graph.edge_index, graph.frame_layout[1])
        return _run(self.space_conv, _with_edges(graph, ~in_time)) + _run(self.time_conv, _with_edges(graph, in_time))

    def _memory(self) -> int:
        """Frames before a chunk that its numbers depend on."""
        if not getattr(self.connect, "causal", False):
            raise TypeError(
                "Expected 'connect' to make edges that go forward in time, for a stream (got "
                f"{'none' if self.connect is None else self.connect}); use connect=ConnectInTime(...)"
            )
        for part in self.modules():
            if isinstance(part, tuple(LOOKS_AHEAD)):
                reason = next(reason for kind, reason in LOOKS_AHEAD.items() if isinstance(part, kind))
                raise TypeError(f"Expected a convolution that looks back only (got {type(part).__name__}: {reason})")
        steps: int = getattr(self.connect, "steps", 1)
        return steps * (self.hops + 1)

    def extra_repr(self) -> str:
        return f"hops={self.hops}"


def _rounds(conv: nn.Module) -> int:
    """Rounds of messages that the layers of a convolution make one after the other, at most."""
    layers = [part for part in conv.modules() if isinstance(part, (pyg.MessagePassing, pyg.AntiSymmetricConv))]
    counts = [[getattr(layer, name, 1) for name in ("K", "num_layers", "num_iters")] for layer in layers]
    powers = [[*getattr(layer, "powers", [1])] for layer in layers]
    return max(1, sum(max([1, *count, *power]) for count, power in zip(counts, powers, strict=True)))


def _run(conv: nn.Module, graph: VideoGraph) -> Tensor:
    return space_call(conv, graph, x_0=graph.x)._replace(keeps_channels=False)(graph.frames)


def _with_edges(graph: VideoGraph, which: Tensor) -> VideoGraph:
    """The graph with some of its edges."""
    edges = {name: value for name, value in graph._store._mapping.items() if isinstance(value, Tensor)}
    edges = {name: value for name, value in edges.items() if graph.is_edge_attr(name)}
    return graph.with_attr(**{n: v[:, which] if n == "edge_index" else v[which] for n, v in edges.items()})


def _frames_of(graph: VideoGraph) -> dict[str, Tensor]:
    """All that convolutions may take of a graph, frame by frame: :math:`(B, T, *)`, where zeros are no nodes."""
    nodes = {name: v for name, v in graph._store._mapping.items() if isinstance(v, Tensor) and graph.is_node_attr(name)}
    frames = {name: graph.grid(v) for name, v in nodes.items() if name not in ("batch", "kernel", "mask")}
    present = graph.present
    frames["mask"] = torch.ones_like(graph.frames[..., 0], dtype=torch.bool) if present is None else present
    frames["adj"] = graph.dense_edges()
    if looks_free(graph.x) and int(frames["adj"].sum()) != graph.num_edges:
        raise ValueError(
            "Expected at most one edge from a node to another, in a stream (got several); use coalesce of PyG"
        )
    if (weight := graph._store.get("edge_weight")) is not None:
        frames["edge_weight"] = graph.dense_edges(weight)
    return frames


def _graph_of(frames: Mapping[str, Tensor]) -> VideoGraph:
    """The graph again; a stream's first frames are there, without nodes that count."""
    attributes = {name: value.flatten(0, 2) for name, value in frames.items() if name not in ("adj", "edge_weight")}
    T, N = frames["adj"].shape[1:3]
    b, t, receiver, sender = frames["adj"].nonzero().unbind(1)
    first = (b * T + t) * N
    if "edge_weight" in frames:
        attributes["edge_weight"] = frames["edge_weight"][b, t, receiver, sender]
    return VideoGraph(edge_index=torch.stack([first + sender, first + receiver]), layout=(T, N), **attributes)
