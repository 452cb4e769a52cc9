"""The recurrent space-time graph."""

from collections.abc import Sequence

from torch import nn
from torch_geometric.nn.inits import reset

from .._checks import looks_free
from .._tracing import NotScriptable
from ..data import VideoGraph
from ..data.frames import check_within_frames
from ..data.padding import pad
from .norm import normalize
from .scan import scan, start
from .space_call import space_call
from .time import State


class RSTG(NotScriptable, nn.Module):
    r"""Recurrent Space-time Graph (Nicolicioiu et al., NeurIPS 2019, algorithm 1): time and space stages in turn.

    .. math::
        v_i^{t} &\leftarrow h_i^{t,k} = \mathrm{time}(v_i^{t}, h_i^{t-1,k}) \\
        v^{t} &\leftarrow \mathrm{space}(v^{t}, \mathcal{E}^{t}) \qquad k = 0, \dots, K - 1

    and one time stage with its own parameters at the end. Stage :math:`k` reads stage :math:`k` of the frame before
    only, so each stage runs over all frames at once; the result is that of the paper's loop over frames.

    Ablations are swapped parts: space-only is ``time=nn.Identity(), final_time=nn.Identity()``; time-only is
    ``num_iterations=0``; one time stage is ``time=nn.Identity()``.

    Args:
        space: message passing within frames: :class:`SpaceConv`, :class:`DenseSpaceConv`, any PyG convolution
            ``(x, edge_index) -> x`` that keeps the channels, or one of PyG's dense ones, ``(x, adj) -> x``. What its
            ``forward`` names, or that of a layer in it where it takes any keyword, is passed on: ``frames``
            (:class:`~pyg_video.data.Frames`), ``batch`` and ``batch_size`` (as in PyG, with frames as graphs), ``mask``
            (nodes that count), ``x_0`` (the nodes before the first iteration), and whatever the graph has, such as
            ``pos``, ``position``, ``edge_attr``, ``edge_weight`` or ``edge_type``. A stage without ``mask`` is run on
            the nodes that count alone. A :class:`~torch.nn.ModuleList` gives each iteration its own.
        time: nodes over time, :class:`TemporalRNN` or ``nn.Identity()``; a list as above.
        final_time: the last time stage.
        num_iterations: number of iterations :math:`K`.
        norm: applied to the nodes before the graph: :class:`FrameNorm`, :class:`ClipNorm`, :class:`BatchNorm`, one of
            PyG's norms, with frames as its graphs, or another module.

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
        self.norm = nn.Identity() if norm is None else norm
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
        """Continue from the state of an earlier call; also return the state after the last frame."""
        self._check(graph, state)
        if graph.is_ragged:
            padded = pad(graph)
            result, states = self.scan(padded.graph, state)
            return graph.with_x(padded.back(result.x)), states
        states = start(state, self.num_iterations + 1)
        mask, present = graph._store.get("mask"), graph.present
        over_time = {"lengths": graph._store.get("lengths"), "mask": None if mask is None else graph.grid(mask)}
        stages = [_stage(self.space, k) for k in range(self.num_iterations)]
        x = normalize(self.norm, graph.frames, graph.node_frames, present)  # [B, T, N, C]
        calls = {space: space_call(space, graph, x_0=x.flatten(0, 2)) for space in stages}
        for k, space in enumerate(stages):
            x, states[k] = scan(_stage(self.time, k), x, states[k], **over_time)
            x = calls[space](x)
        x, states[-1] = scan(self.final_time, x, states[-1], **over_time)
        return graph.with_x(x.flatten(0, 2)), states

    def _check(self, graph: VideoGraph, state: Sequence[State] | None) -> None:
        if state is not None and not getattr(self.norm, "causal", True):
            raise ValueError(
                f"Expected a whole clip, since {type(self.norm).__name__} looks at all frames (got a 'state' to go on "
                "from); use FrameNorm"
            )
        if not isinstance(graph, VideoGraph):
            raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
        edge_index = graph.need("edge_index")
        if graph.is_ragged or not looks_free(edge_index) or edge_index.numel() == 0:
            return
        if int(edge_index.min()) < 0 or int(edge_index.max()) >= graph.frames.shape[:3].numel():
            raise ValueError(
                f"Expected 'edge_index' between 0 and the number of nodes - 1 = {graph.frames.shape[:3].numel() - 1} "
                f"(got {int(edge_index.min())} to {int(edge_index.max())})"
            )
        check_within_frames(edge_index, graph.frame_layout[1])


def _stage(part: nn.Module, k: int) -> nn.Module:
    return part[k] if isinstance(part, nn.ModuleList) else part
