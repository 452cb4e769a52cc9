"""How nodes move, as features of edges."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..data.padding import pad

Before: TypeAlias = tuple[Tensor, Tensor]


class MotionEdges(nn.Module):
    r"""Tell every edge how much alike its two nodes move.

    With the step :math:`d_i^t = p_i^t - p_i^{t-1}` of the centre of a node since the frame before, an edge gets

    .. math:: e_{ij,k}^t = \exp\left(-\frac{\lVert d_i^t - d_j^t \rVert^2}{2 w_k^2}\right)

    for some widths :math:`w_k`: close to 1 for nodes that move together to within :math:`w_k`, and 0 in the first frame
    of a clip, and where a node is not there in both frames. A node has to be the same object in both, see ``track`` of
    :class:`~pyg_video.graph_builders.GraphBuilder`. The gradient goes to the centres.

    Args:
        widths: :math:`w_k`, as fractions of the frame.

    Shapes:
        - **graph:** ``pos`` :math:`(V, 2)`
        - **output:** the same graph with ``edge_attr`` :math:`(E, K)`, behind the features that the edges have

    Use it with ``SpaceConv(edge_dim=len(widths))``, or any convolution of PyG with ``edge_dim``.

    Example:
        >>> from pyg_video.graph_builders import SaliencyGraph
        >>> graph = SaliencyGraph(8, num_nodes=3, saliency="contrast", track=True)(torch.randn(1, 4, 8, 9, 9))
        >>> MotionEdges()(graph).edge_attr.shape
        torch.Size([36, 5])
    """

    def __init__(self, widths: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.4)) -> None:
        super().__init__()
        if not widths or min(widths) <= 0:
            raise ValueError(f"Expected 'widths' with at least one value, all above 0 (got {list(widths)})")
        self.widths = tuple(float(width) for width in widths)

    def forward(self, graph: VideoGraph) -> VideoGraph:
        return self.scan(graph)[0]

    def scan(self, graph: VideoGraph, state: Before | None = None) -> tuple[VideoGraph, Before]:
        """Continue from the state of an earlier call; also return the state after the last frame."""
        clips, place = pad(graph)
        pos = clips.grid(clips.need("pos"))
        pos = pos.to(torch.promote_types(pos.dtype, torch.float32))
        there = pos.new_ones(pos.shape[:3]) if clips.present is None else clips.present.to(pos.dtype)
        before, was_there = state or (torch.zeros_like(pos[:, 0]), torch.zeros_like(there[:, 0]))
        step = (pos - torch.cat([before[:, None], pos[:, :-1]], dim=1)).flatten(0, 2)
        lengths = clips._store.get("lengths")
        both = (there * torch.cat([was_there[:, None], there[:, :-1]], dim=1)).flatten()
        if place is not None:
            step, both = step[place], both[place]
        sender, receiver = graph.need("edge_index")
        squared = (step[sender] - step[receiver]).square().sum(dim=-1, keepdim=True)
        alike = torch.cat([(squared * (-0.5 / width**2)).exp() for width in self.widths], dim=-1)
        alike = alike * (both[sender] * both[receiver])[:, None]
        given = graph._store.get("edge_attr")
        if given is not None:
            alike = torch.cat([(given[:, None] if given.dim() == 1 else given).to(alike.dtype), alike], dim=1)
        return graph.with_attr(edge_attr=alike), (_last(pos, lengths), _last(there, lengths))

    def extra_repr(self) -> str:
        return f"widths={self.widths}"


def _last(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The last frame of each clip that counts, of :math:`(B, T, *)`."""
    if lengths is None:
        return x[:, -1].clone()
    return x[torch.arange(x.size(0), device=x.device), lengths.to(x.device) - 1]
