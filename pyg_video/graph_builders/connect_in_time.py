"""Edges between the frames of a clip."""

from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeAlias

import torch
from torch import Tensor, nn

from .._checks import check_option, looks_free, resolve
from ..data import VideoGraph
from ..data.padding import pad
from ..functional import between_frames, boxes_touch, loops_last


class TimeWindow(NamedTuple):
    r"""The frames of clips as receivers, each with the :math:`W` frames around it that may send to it.

    Attributes:
        graph: the clips, all of one layout :math:`(T, N)`.
        frame: numbers of the frames that send to each frame, :math:`(T, W)`; some may lie outside of the clip.
        allowed: pairs of nodes that a rule may connect, :math:`(B, T, N, W N)`, bool: both there, and count.
    """

    graph: VideoGraph
    frame: Tensor
    allowed: Tensor

    def received(self, name: str) -> Tensor:
        """A node attribute of the receivers, :math:`(B, T, N, *)`."""
        return self.graph.grid(self.graph.need(name)).detach()

    def sent(self, name: str) -> Tensor:
        """The same attribute of the senders, :math:`(B, T, W N, *)`."""
        return _senders(self.received(name), self.frame)


TimeRule: TypeAlias = Callable[[TimeWindow], Tensor]
"""Which pairs of a :class:`TimeWindow` to connect: booleans that broadcast to its ``allowed``."""


def same_node(window: TimeWindow) -> Tensor:
    """The node with the same number."""
    N = window.allowed.size(2)
    return torch.eye(N, dtype=torch.bool, device=window.frame.device).repeat(1, window.frame.size(1))


def all_nodes(window: TimeWindow) -> Tensor:
    """Every node."""
    return window.allowed


def overlapping_nodes(window: TimeWindow) -> Tensor:
    """Nodes whose ``box`` overlaps the receiver's, or shares a border with it."""
    return boxes_touch(window.received("box"), window.sent("box"))


def tracked_nodes(window: TimeWindow) -> Tensor:
    """Nodes of the same ``track``, an integer per node :math:`(V)`, below 0 for none."""
    track = window.received("track")
    if track.is_floating_point() or track.dtype == torch.bool or track.dim() != 3:
        raise ValueError(
            f"Expected 'track' as an integer for every node, [V] (got {list(window.graph.track.shape)} of "
            f"{track.dtype}); use track.flatten().long()"
        )
    return (track[..., :, None] == window.sent("track")[..., None, :]) & (track[..., :, None] >= 0)


def nearest_nodes(k: int = 4) -> TimeRule:
    """The rule that connects the ``k`` nodes of the window with the nearest ``pos``, all frames of it together.

    Where fewer than ``k`` may send, all of them do.
    """
    if k < 1:
        raise ValueError(f"Expected 'k' of at least 1 (got {k})")

    def nearest(window: TimeWindow) -> Tensor:
        distance = (window.received("pos")[..., :, None, :] - window.sent("pos")[..., None, :, :]).square().sum(-1)
        if looks_free(distance) and not bool(distance[window.allowed].isfinite().all()):
            raise ValueError("Expected 'pos' without NaN and infinity (got some); look for it in the boxes")
        distance = distance.masked_fill(~window.allowed, torch.inf)
        chosen = distance.topk(min(k, distance.size(-1)), largest=False).indices
        return torch.zeros_like(window.allowed).scatter(-1, chosen, True)

    return nearest


_RULES: dict[str, Callable[[], TimeRule]] = {
    "same_node": lambda: same_node,
    "complete": lambda: all_nodes,
    "overlap": lambda: overlapping_nodes,
    "knn": nearest_nodes,
    "track": lambda: tracked_nodes,
}
TIME_RULES = tuple(_RULES)


def connect_in_time(
    graph: VideoGraph, rule: str | TimeRule = "same_node", *, steps: int = 1, causal: bool = True
) -> VideoGraph:
    """Add edges between nodes of different frames of a clip.

    Every frame receives from the ``steps`` frames before it, and with ``causal=False`` from those after it as well.
    Frames beyond the clip's ``lengths`` and nodes outside of the ``mask`` neither send nor receive.
    :class:`~pyg_video.layers.SpaceTimeConv` runs convolutions over all edges; ``edge_type`` tells both kinds apart, by
    which PyG's relational convolutions, such as :class:`~torch_geometric.nn.conv.RGCNConv` with two relations, weigh
    them. ``torch.compile`` breaks the graph here, since the number of edges depends on values.

    Args:
        graph: clips of any lengths, whose edges stay within frames.
        rule: which nodes of other frames send to a node:

            - ``"same_node"``: the one with the same number;
            - ``"complete"``: all;
            - ``"overlap"``: those whose ``box`` overlaps;
            - ``"knn"``: the four of all these frames with the nearest ``pos``; another number by ``nearest_nodes(k)``;
            - ``"track"``: those of the same ``track``, a node attribute of integers :math:`(V)`, below 0 for none. An
              object that is lost for less than ``steps`` frames is connected across the gap;

            or a function of a :class:`TimeWindow`, such as
            ``lambda window: same_node(window) | tracked_nodes(window)``.
        steps: how many frames an edge may go.
        causal: whether edges go forward in time only.

    Returns:
        The graph with more edges, self-loops at the end, and their ``edge_type`` :math:`(E)`, 0 in space and 1 in
        time. An ``edge_weight`` is 1 for those in time.

    Raises:
        TypeError: ``graph`` is no :class:`~pyg_video.data.VideoGraph`.
        ValueError: the rule is unknown or gives another shape, ``steps`` is less than 1, the graph lacks what the rule
            needs, has edges between frames already, or edges with attributes that those in time would lack.

    Example:
        >>> graph = VideoGraph(torch.zeros(4, 8), torch.tensor([[0, 2], [1, 3]]), layout=(2, 2))
        >>> connected = connect_in_time(graph, "same_node")
        >>> connected.edge_index
        tensor([[0, 2, 0, 1],
                [1, 3, 2, 3]])
        >>> connected.edge_type
        tensor([0, 0, 1, 1])
    """
    if not isinstance(graph, VideoGraph):
        raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
    if not isinstance(rule, str) and not callable(rule):
        raise ValueError(f"Expected 'rule' to be one of {', '.join(TIME_RULES)}, or a function (got {rule!r})")
    chosen = resolve("rule", rule, _RULES)
    if steps < 1:
        raise ValueError(f"Expected 'steps' of at least 1 (got {steps})")
    _check_edges(graph)
    clips, place = pad(graph)
    edges = _edges(clips, chosen, steps, causal)
    if place is not None:  # back to the nodes that there are
        number = edges.new_full((clips.x.size(0),), -1).index_put((place,), torch.arange(len(place)).to(place))
        edges = number[edges]
    return _with_edges(graph, edges)


class ConnectInTime(nn.Module):
    """:func:`connect_in_time` as a piece of a processor, or as the ``connect`` of a ``SpaceTimeConv``.

    Args:
        rule: as for :func:`connect_in_time`.
        steps: likewise.
        causal: likewise.

    Shapes:
        - **graph:** a :class:`~pyg_video.data.VideoGraph`
        - **output:** the graph with more edges

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> build = nn.Sequential(GridGraph(8), ConnectInTime("knn", steps=2))
        >>> build(torch.randn(2, 4, 8, 7, 7)).edge_type.bincount()
        tensor([720, 336])
    """

    def __init__(self, rule: str | TimeRule = "same_node", *, steps: int = 1, causal: bool = True) -> None:
        super().__init__()
        if isinstance(rule, str):
            check_option("rule", rule, TIME_RULES)
        if steps < 1:
            raise ValueError(f"Expected 'steps' of at least 1 (got {steps})")
        self.rule, self.steps, self.causal = rule, steps, causal

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return connect_in_time(graph, self.rule, steps=self.steps, causal=self.causal)

    def scan(self, graph: VideoGraph, state: object = None) -> NoReturn:  # noqa: ARG002
        """Raises a :exc:`TypeError`: a stream does not have the earlier frames whose nodes send."""
        raise TypeError(
            "Expected whole clips for ConnectInTime before a layer (got a stream, which does not have the frames "
            "before); make it a part of the layer: SpaceTimeConv(..., connect=ConnectInTime(...))"
        )

    def extra_repr(self) -> str:
        rule = repr(self.rule) if isinstance(self.rule, str) else getattr(self.rule, "__name__", repr(self.rule))
        return f"{rule}, steps={self.steps}, causal={self.causal}"


def _edges(graph: VideoGraph, rule: TimeRule, steps: int, causal: bool) -> Tensor:
    """The new edges, sorted by receiver."""
    B, T, N, _ = graph.frames.shape
    device = graph.x.device
    back = torch.arange(-steps, 0, device=device)
    frame = torch.arange(T, device=device)[:, None] + (back if causal else torch.cat([back, -back.flip(0)]))  # [T, W]
    present = torch.ones(B, T, N, dtype=torch.bool, device=device) if graph.present is None else graph.present
    in_clip = ((frame >= 0) & (frame < T)).repeat_interleave(N, dim=1)  # [T, W * N]
    allowed = present[..., None] & (_senders(present, frame) & in_clip)[:, :, None]
    pairs = rule(TimeWindow(graph, frame, allowed))
    fits = [given in (1, size) for given, size in zip(reversed(pairs.shape), reversed(allowed.shape), strict=False)]
    if pairs.dtype != torch.bool or pairs.dim() > allowed.dim() or not all(fits):
        raise ValueError(
            f"Expected a rule that gives booleans of shape {list(allowed.shape)} (got {list(pairs.shape)} of "
            f"{pairs.dtype})"
        )
    b, t, receiver, place = (allowed & pairs).nonzero().unbind(1)
    sent_in = frame[t, place // N]
    return torch.stack([(b * T + sent_in) * N + place % N, (b * T + t) * N + receiver])


def _senders(value: Tensor, frame: Tensor) -> Tensor:
    """Of every frame, the rows of the frames that send to it: :math:`(B, T, N, *)` to :math:`(B, T, W N, *)`."""
    return value[:, frame.clamp(0, value.size(1) - 1)].flatten(2, 3)


def _with_edges(graph: VideoGraph, edges: Tensor) -> VideoGraph:
    """The graph with more edges, self-loops last; in a collated batch, graph by graph."""
    old = graph.edge_index
    edge_index = torch.cat([old, edges], dim=1)
    order = loops_last(edge_index)
    ptr = graph._store.get("ptr")
    if ptr is not None:
        order = order[torch.bucketize(edge_index[1, order], ptr[1:], right=True).argsort(stable=True)]
    attributes = {"edge_type": torch.cat([old.new_zeros(old.size(1)), old.new_ones(edges.size(1))])}
    if (weight := graph._store.get("edge_weight")) is not None:
        attributes["edge_weight"] = torch.cat([weight, weight.new_ones(edges.size(1), *weight.shape[1:])])
    return graph.with_attr(
        edge_index=edge_index[:, order], **{name: value[order] for name, value in attributes.items()}
    )


def _check_edges(graph: VideoGraph) -> None:
    edge_index = graph.need("edge_index")
    known = ("edge_index", "edge_weight")
    attributes = [
        key
        for key, value in graph._store._mapping.items()
        if key not in known and isinstance(value, Tensor) and graph.is_edge_attr(key)
    ]
    if attributes:
        raise ValueError(
            f"Expected edges without attributes, since those in time have none (got {', '.join(attributes)}); connect "
            "a graph in time once, with a rule that joins others, and set attributes of edges afterwards"
        )
    clips, _ = pad(graph)
    if looks_free(edge_index) and bool(between_frames(clips.edge_index, clips.frame_layout[1]).any()):
        raise ValueError(
            "Expected edges within frames (got some between frames); connect a graph in time once, with a rule that "
            "joins others: lambda window: same_node(window) | tracked_nodes(window)"
        )
