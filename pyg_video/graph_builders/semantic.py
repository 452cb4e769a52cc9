"""Nodes by attention to the content of positions."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ..data import Regions
from ..functional import kernel_boxes
from .base import BuilderOptions, GraphBuilder


class SemanticGraph(GraphBuilder):
    r"""Attention over all positions, predicted from the features: the "Semantic" nodes of DyReg-GNN's comparison.

    .. math:: A_{ip} = \mathrm{softmax}_p \langle w_i, X_p \rangle

    A node is not bound to one place (Duta et al., NeurIPS 2021, section 4.1); its box has the mean and the spread of
    its attention, see :func:`~pyg_video.functional.kernel_boxes`.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of nodes per frame, or (rows, columns).
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Example:
        >>> graph = SemanticGraph(8, num_nodes=9)(torch.randn(1, 2, 8, 7, 5))
        >>> torch.allclose(graph.kernel.sum((-2, -1)), torch.ones(18))
        True
    """

    def __init__(self, channels: int, num_nodes: int | tuple[int, int] = 9, **options: Unpack[BuilderOptions]) -> None:
        super().__init__(channels, num_nodes, **options)
        # No bias: it would shift all positions alike, and the softmax is invariant to that.
        self.attention = nn.Conv2d(channels, self.num_nodes, 1, bias=False)

    def regions(self, x: Tensor) -> Regions:
        logits = self.attention(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # [B, T, N, H, W]
        dtype = torch.promote_types(logits.dtype, torch.float32)
        kernel = logits.flatten(-2).softmax(dim=-1, dtype=dtype).view_as(logits)
        return Regions(kernel_boxes(kernel), kernel)
