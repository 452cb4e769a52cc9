"""Space and time in one graph: RSTG's homogeneous ablation."""

from typing import NoReturn

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from ..data import Frames, VideoGraph
from ..data.frames import check_within_frames
from ..data.padding import pad
from .space_call import is_dense, space_call


class HomogeneousGraph(nn.Module):
    r"""Message passing over all frames of a clip at once, with the same parameters for edges in space and in time.

    The homogeneous ablation of RSTG (Nicolicioiu et al., NeurIPS 2019), which has the factorised
    :class:`~pyg_video.layers.RSTG` instead. The clip is one graph of :math:`T N` nodes,

    .. math::
        v \leftarrow \mathrm{space}(v, \mathcal{E}^{1} \cup \dots \cup \mathcal{E}^{T} \cup
        \{(t, n) \leftrightarrow (t + 1, n)\}) \qquad k = 0, \dots, K - 1

    that is, the edges of the frames, and edges both ways between a node and itself in the next frame. One set of
    parameters serves all edges and rounds; there is no recurrence, so :math:`K` rounds reach :math:`K` frames.
    That edges over time go both ways, and to the next frame only, is our reading of space and time treated alike.

    Args:
        space: message passing, ``(x, edge_index) -> x``: :class:`SpaceConv` or any PyG convolution that keeps the
            channels. What its ``forward`` names is passed on as by :class:`RSTG`, with clips in place of frames:
            ``frames``, so that norms run over a clip, and ``batch``, the clip of every node.
        num_iterations: number of rounds :math:`K`.

    Shapes:
        - **graph:** a :class:`~pyg_video.data.VideoGraph` with node features :math:`(V, C)`
        - **output:** the same graph with other node features; zeros in frames beyond a clip's ``lengths``

    Example:
        >>> from pyg_video.graph_builders import GridGraph
        >>> from pyg_video.layers import SpaceConv
        >>> graph = GridGraph(16)(torch.randn(2, 4, 16, 7, 7))
        >>> HomogeneousGraph(SpaceConv(16))(graph)  # doctest: +ELLIPSIS
        VideoGraph(x=[112, 16], edge_index=[2, 720], ...)
    """

    def __init__(self, space: nn.Module, *, num_iterations: int = 3) -> None:
        super().__init__()
        if num_iterations < 0:
            raise ValueError(f"Expected 'num_iterations' of at least 0 (got {num_iterations})")
        if is_dense(space):
            raise ValueError(
                f"Expected a space stage on edges (got {type(space).__name__}, which works on frames of pairs); use "
                "SpaceConv, or RSTG"
            )
        self.space = space
        self.num_iterations = num_iterations

    def reset_parameters(self) -> None:
        reset(self.space)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        if not isinstance(graph, VideoGraph):
            raise TypeError(f"Expected 'graph' to be a VideoGraph (got {type(graph).__name__}); put a builder before")
        if graph.is_ragged:
            padded = pad(graph)
            return graph.with_x(padded.back(self(padded.graph).x))
        _check_edges(graph)
        B, T, N = graph.frames.shape[:3]
        present = graph.present
        beyond = graph.x.new_zeros(B * T * N, dtype=torch.bool) if present is None else ~present.flatten()
        sender, receiver = torch.cat([graph.edge_index, _time_edges(B, T, N, graph.x.device)], dim=1)
        # Edges out of padded nodes become self loops: so the number of edges does not depend on the lengths.
        edge_index = torch.stack([sender, torch.where(beyond[sender], sender, receiver)])
        clip = torch.arange(B, device=beyond.device).repeat_interleave(T * N)
        # One graph per clip, as if it were one frame; a clip's padding is a group of its own.
        frames = Frames(2 * B, 1, 2 * clip + beyond)
        call = space_call(self.space, graph, x_0=graph.x, frames=frames, edge_index=edge_index)
        x = graph.frames
        for _ in range(self.num_iterations):
            x = call(x)
        return graph.with_x(x.flatten(0, 2).masked_fill(beyond[:, None], 0.0))

    def scan(self, graph: VideoGraph, state: object = None) -> NoReturn:  # noqa: ARG002
        """Raises a :exc:`TypeError`: frames receive messages from later ones, which a stream does not have yet."""
        raise TypeError(
            f"Expected whole clips for {type(self).__name__}, which passes messages from later frames to earlier ones "
            "(got a stream); use RSTG to run chunk by chunk"
        )

    def extra_repr(self) -> str:
        return f"num_iterations={self.num_iterations}"


def _check_edges(graph: VideoGraph) -> None:
    check_within_frames(graph.need("edge_index"), graph.frame_layout[1])
    attributes = sorted({"adjacency", "edge_attr", "edge_weight"} & set(graph.keys()))
    if attributes:
        raise ValueError(
            f"Expected edges without attributes, since those over time have none (got {', '.join(attributes)}); "
            "leave ConnectAllPairs out, or delete them"
        )


def _time_edges(num_clips: int, num_frames: int, num_nodes: int, device: torch.device) -> Tensor:
    """From every node to itself in the next frame, and back."""
    index = torch.arange(num_clips * num_frames * num_nodes, device=device).view(num_clips, num_frames, num_nodes)
    earlier, later = index[:, :-1].flatten(), index[:, 1:].flatten()
    return torch.stack([torch.cat([earlier, later]), torch.cat([later, earlier])])
