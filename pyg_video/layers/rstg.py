"""The recurrent space-time graph."""

import inspect

from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from ..data import VideoGraph
from .time import State, scan_time

_CONTEXT = ("batch", "batch_size", "position")


class RSTG(nn.Module):
    r"""Recurrent Space-time Graph (Nicolicioiu et al., NeurIPS 2019, algorithm 1): time and space stages in turn.

    .. math::
        v_i^{t} &\leftarrow h_i^{t,k} = \mathrm{time}(v_i^{t}, h_i^{t-1,k}) \\
        v^{t} &\leftarrow \mathrm{space}(v^{t}, \mathcal{E}^{t}) \qquad k = 0, \dots, K - 1

    and one time stage with its own parameters at the end. Stage :math:`k` reads stage :math:`k` of the frame before
    only, so each stage runs over all frames at once; the result is that of the paper's loop over frames.

    Ablations are swapped parts: space-only is ``time=nn.Identity(), final_time=nn.Identity()``; time-only is
    ``num_stages=0``; one time stage is ``time=nn.Identity()``.

    Args:
        space: message passing within frames, ``(x, edge_index) -> x``: :class:`SpaceConv` or any PyG convolution that
            keeps the channels. ``batch`` (the frame of every node), ``batch_size`` and ``position`` are passed on if
            its ``forward`` names them. A :class:`~torch.nn.ModuleList` gives each iteration its own.
        time: nodes over time, :class:`TemporalRNN` or ``nn.Identity()``; a list as above.
        final_time: the last time stage.
        num_stages: number of iterations :math:`K`.
        norm: applied to the nodes :math:`(B, T, N, C)` before the graph.

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
        num_stages: int = 3,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if num_stages < 0:
            raise ValueError(f"Expected 'num_stages' of at least 0 (got {num_stages})")
        for name, part in (("space", space), ("time", time)):
            if isinstance(part, nn.ModuleList) and len(part) != num_stages:
                raise ValueError(f"Expected a list '{name}' of num_stages = {num_stages} modules (got {len(part)})")
        self.norm = norm or nn.Identity()
        self.space = space
        self.time = time
        self.final_time = final_time
        self.num_stages = num_stages
        first = space[0] if isinstance(space, nn.ModuleList) and num_stages > 0 else space
        self._context = tuple(name for name in inspect.signature(first.forward).parameters if name in _CONTEXT)

    def reset_parameters(self) -> None:
        for part in self.children():
            reset(part)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return self.scan(graph)[0]

    def scan(self, graph: VideoGraph, state: list[State] | None = None) -> tuple[VideoGraph, list[State]]:
        """Go on from the state that an earlier call gave; gives the state after the last frame as well."""
        self._check(graph, state)
        states: list[State] = list(state or [None] * (self.num_stages + 1))
        lengths = graph._store.get("lengths")
        context = self._space_context(graph)
        x = self.norm(graph.frames)  # [B, T, N, C]
        for k in range(self.num_stages):
            x, states[k] = scan_time(_stage(self.time, k), x, states[k], lengths)
            nodes = _stage(self.space, k)(x.flatten(0, 2), graph.edge_index, **context)
            x = nodes.unflatten(0, x.shape[:3])
        x, states[-1] = scan_time(self.final_time, x, states[-1], lengths)
        return graph.with_x(x.flatten(0, 2)), states

    def _space_context(self, graph: VideoGraph) -> dict[str, Tensor | int | None]:
        known = {
            "batch": lambda: graph.frame_index,
            "batch_size": lambda: graph.num_frames,
            "position": lambda: graph._store.get("position"),
        }
        return {name: known[name]() for name in self._context}

    def _check(self, graph: VideoGraph, state: list[State] | None) -> None:
        if not isinstance(graph, VideoGraph):
            raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
        if "position" in graph._store and "position" not in self._context and self.num_stages > 0:
            raise ValueError(
                f"Expected a space stage that takes 'position', since the graph has one (got "
                f"{type(self.space).__name__}); use SpaceConv, or leave GaussianPosition out"
            )
        if state is not None and len(state) != self.num_stages + 1:
            raise ValueError(f"Expected 'state' with {self.num_stages + 1} entries (got {len(state)})")


def _stage(part: nn.Module, k: int) -> nn.Module:
    return part[k] if isinstance(part, nn.ModuleList) else part
