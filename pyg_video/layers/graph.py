"""Small graph -> graph pieces: any module on the nodes, and edges with a strength."""

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..data.padding import pad
from ..functional import complete_edges, repeat_edges
from .clip_info import taken_by


class ApplyToNodes(nn.Module):
    """Apply any module to the node features, as a piece of a processor.

    Args:
        module: nodes :math:`(B, T, N, C)` to nodes, such as a linear layer or a :class:`FrameNorm`. The graph's
            ``frames`` (:class:`~pyg_video.data.Frames`) and ``mask`` of the nodes that count are passed on if its
            ``forward`` names them.

    Shapes:
        - **graph:** node features :math:`(V, C)`
        - **output:** the same graph with node features :math:`(V, C')`

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> graph = GridGraph(24)(torch.randn(1, 2, 24, 7, 7))
        >>> ApplyToNodes(nn.Linear(24, 16))(graph).frames.shape
        torch.Size([1, 2, 14, 16])
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, graph: VideoGraph) -> VideoGraph:
        padded = pad(graph)
        clips = padded.graph
        info = {"frames": clips.node_frames, "mask": clips.present}
        return graph.with_x(padded.back(self.module(clips.frames, **taken_by(self.module, info)).flatten(0, 2)))


class ConnectAllPairs(nn.Module):
    r"""Connect every pair of nodes of a frame and record which were neighbours, as in RSTG's released code.

    The paper's attention is a softmax over the neighbours of a node. The released code multiplies the logits of all
    pairs with the adjacency :math:`a_{ji} \in \{0, 1\}` instead, so that nodes that are no neighbours, and the node
    itself, take part with logit 0:

    .. math:: \alpha_{ji} = \mathrm{softmax}_j(a_{ji} \, z_{ji})

    In front of an :class:`RSTG` with :class:`SpaceConv` stages it does that: it replaces the edges by all
    pairs and puts :math:`a` into the graph as ``adjacency``.

    Raises:
        ValueError: the edges have attributes of their own, which the new ones would lack.

    Shapes:
        - **graph:** :math:`E` edges within frames
        - **output:** :math:`B T N^2` edges and ``adjacency`` :math:`(B T N^2)`

    Example:
        >>> import torch
        >>> from pyg_video.graph_builders import GridGraph
        >>> graph = ConnectAllPairs()(GridGraph(8)(torch.randn(1, 2, 8, 7, 7)))
        >>> graph.num_edges, int(graph.adjacency.sum())  # 2 frames, 14 nodes, 90 pairs of neighbours
        (392, 180)
    """

    def forward(self, graph: VideoGraph) -> VideoGraph:
        attributes = [name for name in ("edge_attr", "edge_weight") if name in graph]
        if attributes:
            raise ValueError(
                f"Expected edges without attributes, since other pairs have none (got {', '.join(attributes)}); "
                "leave ConnectAllPairs out, or delete them"
            )
        clips, place = pad(graph)
        adjacency = clips.dense_edges().flatten().to(graph.x.dtype)
        N = clips.frame_layout[1]
        edges: Tensor = repeat_edges(complete_edges(N, device=adjacency.device), N, clips.node_frames.total)
        if "mask" in clips:
            kept = clips.need("mask")[edges].all(dim=0)
            edges, adjacency = edges[:, kept], adjacency[kept]
        if place is not None:  # back to the nodes that there are
            number = edges.new_full((clips.x.size(0),), -1).index_put((place,), torch.arange(len(place)).to(place))
            kept = (number[edges] >= 0).all(dim=0)
            edges, adjacency = number[edges[:, kept]], adjacency[kept]
        return graph.with_attr(edge_index=edges, adjacency=adjacency)
