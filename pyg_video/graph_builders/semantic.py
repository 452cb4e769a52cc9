"""Nodes that attend to positions by what is there, not where."""

import torch
from torch import Tensor, nn

from ..data import Regions
from ..functional import kernel_boxes
from .base import GraphBuilder


class SemanticGraph(GraphBuilder):
    r"""Attention over all positions, predicted from the features: the "Semantic" nodes of DyReg-GNN's comparison.

    .. math:: A_{ip} = \mathrm{softmax}_p \langle w_i, X_p \rangle

    Nothing binds a node to one place (Duta et al., NeurIPS 2021, section 4.1). The box has the attention's mean as its
    centre and its spread as its size, see :func:`~pyg_video.functional.kernel_boxes`.

    Args:
        channels: channels of the feature map.
        num_nodes: nodes a frame.
        edge_index: edges of one frame; by default all pairs, each node with itself included.
        connect: a rule instead of ``edge_index``, see :class:`GraphBuilder`.

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
        num_nodes: int,
        *,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
    ) -> None:
        super().__init__(channels, num_nodes, edge_index=edge_index, connect=connect)
        # No bias: it would shift all positions alike, which a softmax does not see.
        self.attention = nn.Conv2d(channels, num_nodes, 1, bias=False)

    def regions(self, x: Tensor) -> Regions:
        logits = self.attention(x.flatten(0, 1))  # [B*T, N, H, W]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        kernel = logits.flatten(2).softmax(dim=-1).view_as(logits).unflatten(0, x.shape[:2])
        return Regions(kernel_boxes(kernel), kernel)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}"
