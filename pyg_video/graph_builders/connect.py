"""Who talks to whom within a frame, decided from the regions and nodes of that frame."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import check_option
from ..data import Regions
from ..functional import complete_edges, knn_edges, overlap_edges, repeat_edges

_FAR = 1e3  # frames away: where a node that is not there is nobody's neighbour


class Edges(NamedTuple):
    """The edges of all frames together, nodes numbered by clip, frame and place in the frame.

    Shapes:
        - **edge_index:** :math:`(2, E)`, row 0 sends, row 1 receives
        - **edge_weight:** :math:`(E)`, or none
    """

    edge_index: Tensor
    edge_weight: Tensor | None = None

    def between(self, mask: Tensor) -> "Edges":
        """The edges of which both ends are in ``mask``, :math:`(V)`."""
        sender, receiver = self.edge_index
        kept = mask[sender] & mask[receiver]
        weight = self.edge_weight
        return Edges(self.edge_index[:, kept], None if weight is None else weight[kept])


class CompleteEdges(nn.Module):
    """All pairs of a frame, each node with itself included: DyReg-GNN's released code."""

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        B, T, N, _ = nodes.shape
        return Edges(repeat_edges(complete_edges(N, device=nodes.device), N, B * T))


class OverlapEdges(nn.Module):
    """Regions whose boxes overlap or share a border, in every frame anew; no self loops.

    Cannot be compiled into one graph: the number of edges depends on the boxes.
    """

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        return Edges(overlap_edges(regions.box.detach()))


class NearestEdges(nn.Module):
    """Each node receives from the ``k`` nodes of its frame whose regions' centres are nearest; no self loops.

    Nodes that are not there are passed over; where fewer than ``k`` others are there, all of them send.

    Args:
        k: number of neighbours, below the number of nodes.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"Expected 'k' of at least 1 (got {k})")
        self.k = k

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        pos = regions.box[..., :2].detach()
        if regions.mask is not None:
            pos = pos.masked_fill(~regions.mask[..., None], _FAR)
        return Edges(knn_edges(pos, self.k))

    def extra_repr(self) -> str:
        return f"k={self.k}"


class AttentionEdges(nn.Module):
    r"""Pairs whose learned score passes a learned threshold.

    .. math:: s_{ji} = \frac{\langle W_q v_i, W_k v_j \rangle}{\sqrt{C}}, \qquad
        w_{ji} = \tanh(\mathrm{ReLU}(s_{ji} - \theta))

    Edges of weight 0 are left out. The weight goes to the graph as ``edge_weight``, by which
    :class:`~pyg_video.layers.SpaceConv` multiplies its attention: it is 0 at the threshold, so nothing jumps when an
    edge comes or goes, and its gradient teaches the scores and the threshold. An edge that is left out teaches nothing
    until the threshold or the nodes move. Cannot be compiled into one graph: the number of edges depends on the values.

    Args:
        channels: node channels.
        threshold: first value of :math:`\theta`. Scores start around 0, so that at -1 most pairs are kept.
    """

    def __init__(self, channels: int, threshold: float = -1.0) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.initial_threshold = threshold
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def reset_parameters(self) -> None:
        self.query.reset_parameters()
        self.key.reset_parameters()
        nn.init.constant_(self.threshold, self.initial_threshold)

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        score = self.query(nodes) @ self.key(nodes).mT / math.sqrt(nodes.size(-1))  # [B, T, receiver, sender]
        weight = torch.tanh((score - self.threshold).relu()).flatten(0, 1)
        N = weight.size(-1)
        frame, receiver, sender = weight.detach().nonzero(as_tuple=True)
        return Edges(torch.stack([frame * N + sender, frame * N + receiver]), weight[frame, receiver, sender])


CONNECT = ("complete", "overlap", "knn", "attention")


def resolve_connect(name: str, channels: int, num_nodes: int) -> nn.Module:
    """The rule called ``name``; ``"knn"`` has four neighbours, or all where there are fewer.

    Example:
        >>> resolve_connect("knn", channels=8, num_nodes=9)
        NearestEdges(k=4)
    """
    known: dict[str, Callable[[], nn.Module]] = {
        "complete": CompleteEdges,
        "overlap": OverlapEdges,
        "knn": lambda: NearestEdges(min(4, num_nodes - 1)),
        "attention": lambda: AttentionEdges(channels),
    }
    check_option("connect", name, CONNECT)
    if name == "knn" and num_nodes < 2:
        raise ValueError("Expected at least two nodes with connect='knn' (got one, which has no neighbours)")
    return known[name]()
