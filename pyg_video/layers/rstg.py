"""The recurrent space-time graph."""

import inspect
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from .._checks import looks_free
from ..data import VideoGraph
from .norm import BatchNorm, ClipNorm, FrameNorm, norm_rows
from .scan import scan, start
from .time import State

_CONTEXT = ("batch", "batch_size", "num_steps", "position", "adjacency", "edge_attr", "edge_weight", "mask")
_NOT_TO_IGNORE = {"position": "GaussianPosition", "adjacency": "ConnectAllPairs", "edge_weight": "AttentionEdges"}


class RSTG(nn.Module):
    r"""Recurrent Space-time Graph (Nicolicioiu et al., NeurIPS 2019, algorithm 1): time and space stages in turn.

    .. math::
        v_i^{t} &\leftarrow h_i^{t,k} = \mathrm{time}(v_i^{t}, h_i^{t-1,k}) \\
        v^{t} &\leftarrow \mathrm{space}(v^{t}, \mathcal{E}^{t}) \qquad k = 0, \dots, K - 1

    and one time stage with its own parameters at the end. Stage :math:`k` reads stage :math:`k` of the frame before
    only, so each stage runs over all frames at once; the result is that of the paper's loop over frames.

    Ablations are swapped parts: space-only is ``time=nn.Identity(), final_time=nn.Identity()``; time-only is
    ``num_iterations=0``; one time stage is ``time=nn.Identity()``.

    Args:
        space: message passing within frames, ``(x, edge_index) -> x``: :class:`SpaceConv` or any PyG convolution that
            keeps the channels. ``batch`` (the frame of every node), ``batch_size``, ``num_steps`` (frames a clip) and
            the graph's ``position``, ``adjacency``, ``edge_attr``, ``edge_weight`` and ``mask`` are passed on if its
            ``forward`` names them. A :class:`~torch.nn.ModuleList` gives each iteration its own.
        time: nodes over time, :class:`TemporalRNN` or ``nn.Identity()``; a list as above.
        final_time: the last time stage.
        num_iterations: number of iterations :math:`K`.
        norm: applied to the nodes :math:`(B, T, N, C)` before the graph: :class:`FrameNorm`, :class:`ClipNorm`,
            :class:`BatchNorm` or another module.

    Shapes:
        - **graph:** a :class:`~pyg_video.data.VideoGraph` with node features :math:`(V, C)`
        - **output:** the same graph with other node features

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import SpaceConv, TemporalRNN
        >>> rstg = RSTG(SpaceConv(16), TemporalRNN(16), TemporalRNN(16))
        >>> rstg(GridGraph(16)(torch.randn(2, 4, 16, 7, 7)))  # doctest: +ELLIPSIS
        VideoGraph(x=[112, 16], edge_index=[2, 720], ...)
    """

    def __init__(
        self,
        space: nn.Module,
        time: nn.Module,
        final_time: nn.Module,
        *,
        num_iterations: int = 3,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if num_iterations < 0:
            raise ValueError(f"Expected 'num_iterations' of at least 0 (got {num_iterations})")
        for name, part in (("space", space), ("time", time)):
            if isinstance(part, nn.ModuleList) and len(part) != num_iterations:
                raise ValueError(
                    f"Expected a list '{name}' of num_iterations = {num_iterations} modules (got {len(part)})"
                )
        self.norm = norm or nn.Identity()
        self.space = space
        self.time = time
        self.final_time = final_time
        self.num_iterations = num_iterations

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return self.scan(graph)[0]

    def scan(self, graph: VideoGraph, state: Sequence[State] | None = None) -> tuple[VideoGraph, list[State]]:
        """Go on from the state that an earlier call gave; gives the state after the last frame as well."""
        self._check(graph)
        states = start(state, self.num_iterations + 1)
        over_time = {}
        if "lengths" in graph._store:
            over_time["lengths"] = graph.need("lengths")
        if "mask" in graph._store:
            over_time["mask"] = graph.grid(graph.need("mask"))
        x = self._normed(graph, state, over_time)  # [B, T, N, C]
        for k in range(self.num_iterations):
            x, states[k] = scan(_stage(self.time, k), x, states[k], **over_time)
            space = _stage(self.space, k)
            nodes = space(x.flatten(0, 2), graph.edge_index, **_context(space, graph))
            x = nodes.unflatten(0, x.shape[:3])
        x, states[-1] = scan(self.final_time, x, states[-1], **over_time)
        return graph.with_x(x.flatten(0, 2)), states

    def _normed(self, graph: VideoGraph, state: Sequence[State] | None, present: Mapping[str, Tensor]) -> Tensor:
        if isinstance(self.norm, ClipNorm):
            if state is not None:
                raise ValueError(
                    "Expected a whole clip, since ClipNorm looks at all frames (got a 'state' to go on from); "
                    "use FrameNorm"
                )
            return self.norm(graph.frames, **present)
        if "mask" in present and isinstance(self.norm, (FrameNorm, BatchNorm)):
            mask = present["mask"].flatten()
            return graph.grid(norm_rows(self.norm, graph.x, graph.frame_index, graph.num_frames, mask=mask))
        return self.norm(graph.frames)

    def _check(self, graph: VideoGraph) -> None:
        if not isinstance(graph, VideoGraph):
            raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
        edge_index, N = graph.edge_index, graph.frame_layout[1]
        if not looks_free(edge_index) or edge_index.numel() == 0:
            return
        if int(edge_index.min()) < 0 or int(edge_index.max()) >= graph.frames.shape[:3].numel():
            raise ValueError(
                f"Expected 'edge_index' between 0 and the number of nodes - 1 = {graph.frames.shape[:3].numel() - 1} "
                f"(got {int(edge_index.min())} to {int(edge_index.max())})"
            )
        if not torch.equal(edge_index[0] // N, edge_index[1] // N):
            raise ValueError("Expected edges within frames (got some between nodes of different frames)")


def _stage(part: nn.Module, k: int) -> nn.Module:
    return part[k] if isinstance(part, nn.ModuleList) else part


def _context(space: nn.Module, graph: VideoGraph) -> dict[str, Tensor | int]:
    """What the graph knows and the space stage's ``forward`` asks for."""
    space = getattr(space, "_orig_mod", space)  # compiled
    parameters = inspect.signature(space.forward).parameters
    wanted = [name for name in _CONTEXT if name in parameters]
    if not wanted and any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        wanted = list(_CONTEXT)  # a wrapper that hands everything on
    context: dict[str, Tensor | int] = {name: graph._store[name] for name in wanted if name in graph._store}
    if "batch" in wanted:
        context["batch"] = graph.frame_index  # a frame is a graph of its own, not a clip
    if "batch_size" in wanted:
        context["batch_size"] = graph.num_frames
    if "num_steps" in wanted:
        context["num_steps"] = graph.frame_layout[0]
    for name, giver in _NOT_TO_IGNORE.items():
        if name in graph._store and name not in wanted:
            raise ValueError(
                f"Expected a space stage that takes '{name}', since the graph has one (got {type(space).__name__}); "
                f"use SpaceConv, or leave {giver} out"
            )
    return context
