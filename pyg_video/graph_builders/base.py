"""Base class of all graph builders."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, TypedDict, cast

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from .._checks import check_lengths, looks_free, rows_and_columns
from .._tracing import NotScriptable
from ..data import Regions, VideoGraph
from ..functional import complete_edges, frame_mask, loops_last, normalize_kernel, repeat_edges
from ..layers import State
from ..layers.map_reads import pool_map, shared_map
from ..layers.scan import start
from .connect import CompleteEdges, Edges, resolve_connect
from .tracks import TrackNodes, in_order


class BuilderOptions(TypedDict, total=False):
    """The options that every builder hands to :class:`GraphBuilder`, and their types."""

    edge_index: Tensor | None
    connect: str | nn.Module | None
    track: bool | TrackNodes


class GraphBuilder(NotScriptable, nn.Module):
    """Feature maps to a :class:`~pyg_video.data.VideoGraph`: select, reduce, connect.

    A new strategy is a subclass with one method, ``regions(x) -> Regions``, or :meth:`scan_regions` if it keeps a state
    over time. Pixels are pooled with the regions' kernels, normalised over the map. Nodes outside of the regions'
    ``mask`` are empty and have no edges. Self-loops stand behind the other edges of all frames, whatever rule makes
    them; :func:`~pyg_video.functional.loops_last` says why. Arguments of either method besides ``x`` and ``state``,
    such as boxes or the clips' ``lengths``, are passed on from the call of the builder, through whatever model it is
    in. Every builder is constructed as ``Builder(channels, num_nodes, **options)``.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of nodes per frame, or (rows, columns). A builder that needs rows and columns factorises a
            number as squarely as possible, with no more rows than columns: 9 is 3 x 3, 6 is 2 x 3, 7 is 1 x 7.
        edge_index: edges within every frame, :math:`(2, E)`; by default all pairs, self-loops included.
        connect: rule that computes the edges of every frame from its regions and nodes, instead of ``edge_index``:
            ``"complete"``, ``"overlap"``, ``"knn"``, ``"attention"``, or a module
            ``(regions, nodes) ->`` :class:`~pyg_video.graph_builders.Edges`.
        track: number nodes by what they follow over time: a :class:`TrackNodes`, or ``True`` for its defaults.

    Attributes:
        accepts: the names of the arguments beside ``x``.
        complete: whether all nodes of a frame are connected, self-loops included.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **lengths:** number of valid frames of every clip, :math:`(B)`
        - **output:** node features :math:`(B T N, C)`

    Example:
        >>> class Halves(GraphBuilder):
        ...     def regions(self, x):
        ...         B, T, _, H, W = x.shape
        ...         box = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]]).expand(B, T, 2, 4)
        ...         return Regions(box, box_kernel(box, (H, W)))
        >>> from pyg_video.functional import box_kernel
        >>> Halves(8, num_nodes=2)(torch.randn(1, 5, 8, 4, 4)).frames.shape
        torch.Size([1, 5, 2, 8])
    """

    frame_edges: Tensor
    accepts: frozenset[str] = frozenset({"lengths"})
    _asks: frozenset[str] = frozenset()  # what the regions depend on

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "regions" in vars(cls) and "scan_regions" not in vars(cls):
            cls.scan_regions = GraphBuilder.scan_regions  # type: ignore[method-assign] # instead of an inherited one
        stateless = cls.scan_regions is GraphBuilder.scan_regions
        _, _, *named = inspect.signature(cls.regions if stateless else cls.scan_regions).parameters.values()
        cls._asks = frozenset(p.name for p in named if p.kind is not p.VAR_KEYWORD) - {"state"}
        cls.accepts = cls._asks | {"lengths"}

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
        track: bool | TrackNodes = False,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"Expected 'channels' of at least 1 (got {channels})")
        if edge_index is not None and connect is not None:
            raise ValueError("Expected one of 'edge_index' and 'connect' (got both); leave one out")
        self.channels = channels
        self.num_nodes = math.prod(rows_and_columns(num_nodes))
        edges = complete_edges(self.num_nodes) if edge_index is None else edge_index
        edges = _checked_edges(edges, self.num_nodes)
        self.register_buffer("frame_edges", edges[:, loops_last(edges)], persistent=False)
        self.num_loops = int((edges[0] == edges[1]).sum())
        self.rule = None if connect is None else resolve_connect(connect, channels, self.num_nodes)
        default = edge_index is None and connect is None and type(self).connect is GraphBuilder.connect
        self.complete = default or isinstance(self.rule, CompleteEdges)
        if not isinstance(track, (bool, TrackNodes)):
            raise TypeError(f"Expected 'track' as True, False or a TrackNodes (got {track!r})")
        self.tracks = TrackNodes() if track is True else (track or None)

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)

    def regions(self, x: Tensor) -> Regions:
        """The regions of the nodes of the clips ``x``, :math:`(B, T, C, H, W)`."""
        if type(self).scan_regions is GraphBuilder.scan_regions:
            raise NotImplementedError(f"{type(self).__name__} needs a method regions(x) -> Regions")
        return self.scan_regions(x)[0]

    # ``*_`` too, since type checkers then accept an override with any further arguments.
    def scan_regions(self, x: Tensor, state: State = None, *_: Any, **info: Any) -> tuple[Regions, State]:  # noqa: ARG002
        """The regions, and the state after the last frame, for builders that keep a state over time.

        Arguments are those of ``scan``. An override names in its signature what it needs, such as ``lengths``.
        :func:`pyg_video.layers.scan` says what a state is.
        """
        return self.regions(x, **info), None

    def reduce(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Nodes :math:`(B, T, N, C)`: the mean of the pixels, weighted by the kernel."""
        return pool_map(x, normalize_kernel(kernel))

    def connect(self, regions: Regions) -> Tensor:
        """Edges of all frames together, :math:`(2, E)`, nodes numbered by clip, frame and place in the frame."""
        B, T, N, _ = regions.box.shape
        edges = repeat_edges(self.frame_edges, N, B * T)
        if self.num_loops == 0:
            return edges
        edges = edges.view(2, B * T, self.frame_edges.size(1))
        parts = edges.tensor_split([edges.size(2) - self.num_loops], dim=2)
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **info: Any) -> VideoGraph:
        return self.scan(x, None, lengths, **info)[0]

    def scan(self, x: Tensor, state: Any = None, lengths: Tensor | None = None, **info: Any) -> tuple[VideoGraph, Any]:
        """The graph of the next frames, and the state after the last of them.

        Args:
            x: the next frames.
            state: the state after the previous frames.
            lengths: number of valid frames of every clip.
            **info: further arguments of :meth:`regions`, such as ``box``.
        """
        self._check(x, lengths, info)
        x = self._finite(x, lengths)
        asked = {name: value for name, value in {**info, "lengths": lengths}.items() if name in self._asks}
        states: list[Any] = [state, None] if self.tracks is None else start(state, 2)
        with shared_map(x):
            regions, states[0] = self.scan_regions(x, states[0], **asked)
            regions = Regions(*regions)
            self._check_regions(x, regions)
            nodes = self.reduce(x, regions.kernel)  # [B, T, N, C]
        if self.tracks is not None:
            there = regions.mask
            if lengths is not None:  # frames beyond do not go on with any track
                inside = frame_mask(lengths, x.size(1), device=x.device)[..., None].expand(nodes.shape[:3])
                there = inside if there is None else there & inside
            order, states[1] = self.tracks.scan(nodes, regions.box[..., :2], there, states[1])
            nodes = in_order(nodes, order)
            box, kernel, mask = regions
            mask = None if mask is None else in_order(mask, order)
            regions = Regions(in_order(box, order), in_order(kernel, order), mask)
        B, T, N, _ = regions.box.shape
        edges = self._edges(regions, nodes)
        graph = VideoGraph(
            nodes.flatten(0, 2),
            edges.edge_index,
            layout=(T, N),
            kernel=regions.kernel.flatten(0, 2),
            box=regions.box.flatten(0, 2),
            batch=torch.arange(B, device=x.device).repeat_interleave(T * N),
            lengths=lengths,
            mask=None if regions.mask is None else regions.mask.flatten(),
            **({} if edges.edge_weight is None else {"edge_weight": edges.edge_weight}),
        )
        return graph, states[0] if self.tracks is None else states

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}"

    def _edges(self, regions: Regions, nodes: Tensor) -> Edges:
        if self.rule is None and type(self).connect is GraphBuilder.connect:
            edges = Edges(self.connect(regions))  # which has them in order
        else:
            edges = Edges(self.connect(regions)) if self.rule is None else cast(Edges, self.rule(regions, nodes))
            edges = edges.loops_last()
        return edges if regions.mask is None else edges.between(regions.mask.flatten())

    def _check(self, x: Tensor, lengths: Tensor | None, info: Mapping[str, object]) -> None:
        if unknown := set(info) - self.accepts:
            raise TypeError(
                f"Expected what {type(self).__name__} takes beside the map, {', '.join(sorted(self.accepts))} "
                f"(got {', '.join(sorted(unknown))})"
            )
        if x.dim() != 5 or x.size(2) != self.channels:
            raise ValueError(f"Expected 'x' of shape [B, T, {self.channels}, H, W] (got {list(x.shape)})")
        if x.numel() == 0:
            raise ValueError(f"Expected 'x' with at least one clip, frame and pixel (got {list(x.shape)})")
        if not x.is_floating_point():
            raise TypeError(f"Expected 'x' of a floating type (got {x.dtype}); convert it with x.float()")
        if lengths is not None:
            check_lengths(lengths, x.size(0), x.size(1))

    def _finite(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The map, or what the frames of the clips are of it where there is NaN or infinity beyond their ends."""
        if not looks_free(x):
            return x
        finite = x.detach().sum(dim=(2, 3, 4), dtype=torch.promote_types(x.dtype, torch.float32)).isfinite()
        if bool(finite.all()):
            return x
        inside = torch.ones_like(finite) if lengths is None else frame_mask(lengths, x.size(1))
        if not bool(finite[inside].all()):
            b, t = (~finite & inside).nonzero()[0].tolist()
            raise ValueError(
                f"Expected finite 'x' (got NaN or infinity in frame {t} of clip {b}); look for it in the video, or "
                "lower the learning rate if training diverged"
            )
        return x.masked_fill(~inside[..., None, None, None], 0)

    def _check_regions(self, x: Tensor, regions: Regions) -> None:
        B, T, _, H, W = x.shape
        N, expected = self.num_nodes, f"Expected {type(self).__name__}.regions to give"
        box, kernel, mask = regions
        if box.shape != (B, T, N, 4) or kernel.shape != (B, T, N, H, W):
            raise ValueError(
                f"{expected} box {[B, T, N, 4]} and kernel {[B, T, N, H, W]} "
                f"(got {list(box.shape)} and {list(kernel.shape)})"
            )
        if mask is not None and (mask.shape != (B, T, N) or mask.dtype != torch.bool):
            raise ValueError(f"{expected} a mask of booleans {[B, T, N]} (got {list(mask.shape)} of {mask.dtype})")
        if looks_free(box) and not bool(box.isfinite().all()):
            raise ValueError(
                f"{expected} finite boxes (got NaN or infinity); lower the learning rate if training diverged"
            )


def _checked_edges(edge_index: Tensor, num_nodes: int) -> Tensor:
    if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.dtype != torch.long:
        raise ValueError(
            f"Expected 'edge_index' of shape [2, E] and type int64 (got {list(edge_index.shape)} of {edge_index.dtype})"
        )
    low, high = (int(end) for end in edge_index.aminmax()) if edge_index.numel() > 0 else (0, 0)
    if low < 0 or high >= num_nodes:
        raise ValueError(
            f"Expected 'edge_index' between 0 and num_nodes - 1 = {num_nodes - 1} (got {low} to {high}); "
            "give the edges of one frame"
        )
    return edge_index
