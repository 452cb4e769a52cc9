"""Rules that compute the edges of every frame from its regions and nodes."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import resolve
from ..data import Regions
from ..functional import complete_edges, knn_edges, loops_last, overlap_edges, repeat_edges

_FAR = 1e3  # in frames: the position of masked nodes, beyond all others


class Edges(NamedTuple):
    """The edges of all frames together, with nodes numbered by clip, frame and index in the frame.

    Shapes:
        - **edge_index:** :math:`(2, E)`, senders in row 0 and receivers in row 1
        - **edge_weight:** :math:`(E)`, or none
    """

    edge_index: Tensor
    edge_weight: Tensor | None = None

    def between(self, mask: Tensor) -> "Edges":
        """The edges between nodes of ``mask``, :math:`(V)`."""
        sender, receiver = self.edge_index
        kept = mask[sender] & mask[receiver]
        return self._chosen(kept)

    def loops_last(self) -> "Edges":
        """The same edges, self-loops at the end; see :func:`~pyg_video.functional.loops_last`."""
        return self._chosen(loops_last(self.edge_index))

    def _chosen(self, which: Tensor) -> "Edges":
        weight = self.edge_weight
        return Edges(self.edge_index[:, which], None if weight is None else weight[which])


class CompleteEdges(nn.Module):
    """All pairs of nodes of a frame, self-loops included, as in DyReg-GNN's released code."""

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        B, T, N, _ = nodes.shape
        return Edges(repeat_edges(complete_edges(N, device=nodes.device), N, B * T))


class OverlapEdges(nn.Module):
    """Pairs of regions of a frame whose boxes overlap or share a border, without self-loops.

    ``torch.compile`` breaks the graph here, since the number of edges depends on the boxes.
    """

    def forward(self, regions: Regions, nodes: Tensor) -> Edges:  # noqa: ARG002
        return Edges(overlap_edges(regions.box.detach()))


class NearestEdges(nn.Module):
    """Edges to every node from the ``k`` nodes of its frame with the nearest centres, without self-loops.

    Masked nodes are skipped; where fewer than ``k`` others remain, all of them send.

    Args:
        k: number of neighbours, less than the number of nodes.
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
    r"""Pairs of nodes of a frame whose learned score exceeds a learned threshold.

    .. math:: s_{ji} = \frac{\langle W_q v_i, W_k v_j \rangle}{\sqrt{C}}, \qquad
        w_{ji} = \tanh(\mathrm{ReLU}(s_{ji} - \theta))

    Edges of weight 0 are removed and have no gradient. The weight is the graph's ``edge_weight``, by which
    :class:`~pyg_video.layers.SpaceConv` multiplies its attention; being 0 at the threshold, it is continuous when an
    edge appears or vanishes. ``torch.compile`` breaks the graph here, since the number of edges depends on the values.

    Args:
        channels: number of channels of the nodes.
        threshold: initial value of :math:`\theta`. Scores start around 0, so that -1 keeps most pairs.
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


def resolve_connect(rule: str | nn.Module, channels: int, num_nodes: int) -> nn.Module:
    """The rule of that name, or the one given; ``"knn"`` has four neighbours, or all others if there are fewer.

    Example:
        >>> resolve_connect("knn", channels=8, num_nodes=9)
        NearestEdges(k=4)
    """
    if rule == "knn" and num_nodes < 2:
        raise ValueError("Expected at least two nodes with connect='knn' (got one)")
    known: dict[str, Callable[[], nn.Module]] = {
        "complete": CompleteEdges,
        "overlap": OverlapEdges,
        "knn": lambda: NearestEdges(min(4, num_nodes - 1)),
        "attention": lambda: AttentionEdges(channels),
    }
    return resolve("connect", rule, known)
