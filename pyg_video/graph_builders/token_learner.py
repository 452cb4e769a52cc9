"""Nodes by learned spatial attention maps."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ..data import Regions
from ..functional import kernel_boxes, pool
from .base import BuilderOptions, GraphBuilder


class TokenLearnerGraph(GraphBuilder):
    r"""Spatial attention maps of a small convolutional network: TokenLearner (Ryoo et al., NeurIPS 2021).

    .. math::
        A_n = \sigma\big(\alpha_n(X)\big), \qquad v_n = \frac{1}{H W} \sum_p A_{np} X_p

    with :math:`\alpha` of four 3 x 3 convolutions of :math:`N` channels, GELUs between them, on features normalised
    over their channels [code]. Division by the number of pixels is the paper's; the released code sums by default.
    Nodes are lifted back with the same maps, where the paper's TokenFuser learns others.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of tokens per frame, or (rows, columns).
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Example:
        >>> graph = TokenLearnerGraph(8, num_nodes=4)(torch.randn(1, 2, 8, 7, 5))
        >>> graph.frames.shape, bool(((graph.kernel > 0) & (graph.kernel < 1)).all())
        (torch.Size([1, 2, 4, 8]), True)
    """

    def __init__(self, channels: int, num_nodes: int | tuple[int, int] = 9, **options: Unpack[BuilderOptions]) -> None:
        super().__init__(channels, num_nodes, **options)
        self.norm = nn.LayerNorm(channels)
        N = self.num_nodes
        convs = [nn.Conv2d(width, N, 3, padding=1, bias=False) for width in (channels, N, N, N)]
        gelu = nn.GELU(approximate="tanh")
        self.attention = nn.Sequential(convs[0], gelu, convs[1], gelu, convs[2], gelu, convs[3])

    def regions(self, x: Tensor) -> Regions:
        logits = self.attention(self.norm(x.flatten(0, 1).movedim(1, -1)).movedim(-1, 1))  # [B*T, N, H, W]
        kernel = logits.to(torch.promote_types(logits.dtype, torch.float32)).sigmoid().unflatten(0, x.shape[:2])
        return Regions(kernel_boxes(kernel), kernel)

    def reduce(self, x: Tensor, kernel: Tensor) -> Tensor:
        return pool(x, kernel / kernel.shape[-2:].numel())
