"""Nodes by attention to the content of positions."""

import torch
from torch import Tensor, nn

from ..data import Regions
from ..functional import kernel_boxes
from .base import GraphBuilder


class SemanticGraph(GraphBuilder):
    r"""Attention over all positions, predicted from the features: the "Semantic" nodes of DyReg-GNN's comparison.

    .. math:: A_{ip} = \mathrm{softmax}_p \langle w_i, X_p \rangle

    A node is not bound to one place (Duta et al., NeurIPS 2021, section 4.1). The box's centre is the mean of the
    attention and its size the spread, see :func:`~pyg_video.functional.kernel_boxes`.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of nodes per frame, or (rows, columns).
        edge_index: edges within one frame; by default all pairs, self-loops included.
        connect: rule that computes the edges of every frame, instead of ``edge_index``; see :class:`GraphBuilder`.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`

    Example:
        >>> graph = SemanticGraph(8, num_nodes=9)(torch.randn(1, 2, 8, 7, 5))
        >>> torch.allclose(graph.kernel.sum((-2, -1)), torch.ones(18))
        True
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
    ) -> None:
        super().__init__(channels, num_nodes, edge_index=edge_index, connect=connect)
        # No bias: it would shift all positions alike, and the softmax is invariant to that.
        self.attention = nn.Conv2d(channels, self.num_nodes, 1, bias=False)

    def regions(self, x: Tensor) -> Regions:
        logits = self.attention(x.flatten(0, 1))  # [B*T, N, H, W]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        kernel = logits.flatten(2).softmax(dim=-1).view_as(logits).unflatten(0, x.shape[:2])
        return Regions(kernel_boxes(kernel), kernel)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}"
