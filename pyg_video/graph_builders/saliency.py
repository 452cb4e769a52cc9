"""Nodes on the most salient points of a frame."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import resolve
from ..data import Regions
from ..functional import tent_kernel
from .anchors import contrast
from .base import BuilderOptions, GraphBuilder

_TEMPERATURE = 8.0  # of the contrast, so that a soft argmax stays near the largest value


class SaliencyGraph(GraphBuilder):
    r"""A region around each of the most salient points of a frame.

    The points are the largest local maxima of a saliency map :math:`S` in descending order, followed by the largest
    other pixels if there are fewer maxima than nodes. This choice has no gradient, so every point is then moved to the
    mean of its neighbourhood, weighted by saliency,

    .. math:: c = \sum_{q \,:\, \lVert q - \hat q \rVert_\infty \leq r} \mathrm{softmax}_q (S_q) \, q

    and a tent of a fixed size around it is the kernel (DyReg-GNN's, eq. 5 and 6), whose centre passes the gradient to
    the saliency. Node :math:`n` is the :math:`n`-th largest maximum, not an object: nodes are permuted when ranks
    change over time, unless ``track=True`` numbers them by what they follow.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of points per frame, or (rows, columns).
        saliency: ``"contrast"``: how far a pixel's features are from the frame's mean, which has no parameters, so that
            nodes are on what stands out from the start; ``"norm"``: the norm of its features; ``"conv"``: two learned
            convolutions; or a module :math:`(F, C, H, W)` to :math:`(F, 1, H, W)`.
        radius: radius :math:`r` in pixels of the neighbourhood in which a point is the largest.
        extent: width and height of the regions, as fractions of the frame; at least two pixels.
        threshold: points that stand out less than this are missing (``Regions.mask``), as a share of the way from the
            frame's least saliency to its largest; 0 for as many nodes in every frame.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.

    Example:
        >>> x = torch.zeros(1, 1, 8, 5, 5)
        >>> x[0, 0, :, 1, 3] = 9.0
        >>> SaliencyGraph(8, num_nodes=1, saliency="norm")(x).pos
        tensor([[0.7000, 0.3000]])
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        saliency: str | nn.Module = "contrast",
        radius: int = 1,
        extent: float = 1 / 3,
        threshold: float = 0.0,
        **options: Unpack[BuilderOptions],
    ) -> None:
        super().__init__(channels, num_nodes, **options)
        if radius < 1 or extent <= 0:
            raise ValueError(f"Expected 'radius' of at least 1 and 'extent' above 0 (got {radius} and {extent})")
        if not 0 <= threshold < 1:
            raise ValueError(f"Expected 'threshold' in [0, 1) (got {threshold})")
        named = {"contrast": _Contrast, "norm": _FeatureNorm, "conv": lambda: _convolutions(channels)}
        self.saliency = resolve("saliency", saliency, named)
        self.radius = radius
        self.extent = extent
        self.threshold = threshold

    def regions(self, x: Tensor) -> Regions:
        B, T, _, H, W = x.shape
        if self.num_nodes > H * W:
            raise ValueError(
                f"Expected a map of at least num_nodes = {self.num_nodes} pixels (got {H} x {W}); use an earlier stage"
            )
        saliency = self.saliency(x.flatten(0, 1))[:, 0]  # [B*T, H, W]
        saliency = saliency.to(torch.promote_types(saliency.dtype, torch.float32))
        peak = self._peaks(saliency.detach())
        center = self._refined(saliency, peak)  # [B*T, N, 2]
        side = center.new_tensor([max(self.extent, 2 / W), max(self.extent, 2 / H)])
        box = torch.cat([center, side.expand_as(center)], dim=-1).unflatten(0, (B, T))
        regions = Regions(box, tent_kernel(box, (H, W)))
        if self.threshold == 0:
            return regions
        return regions.only(self._stands_out(saliency.detach(), peak).unflatten(0, (B, T)))

    def _peaks(self, saliency: Tensor) -> Tensor:
        """Indices of the largest local maxima among the pixels, row by row: :math:`(F, N)`."""
        window = 2 * self.radius + 1
        highest = F.max_pool2d(saliency[:, None], window, stride=1, padding=self.radius)[:, 0]
        values = saliency.flatten(1)
        below = values.amax(dim=1, keepdim=True) - values.amin(dim=1, keepdim=True) + 1
        order = torch.where((saliency == highest).flatten(1), values, values - below)
        # Stable, unlike topk: the first of equal pixels is chosen on every device.
        return order.sort(dim=1, descending=True, stable=True).indices[:, : self.num_nodes]

    def _stands_out(self, saliency: Tensor, peak: Tensor) -> Tensor:
        """Which points are above the threshold, :math:`(F, N)`."""
        values = saliency.flatten(1)
        least, most = (end[:, None] for end in values.aminmax(dim=1))
        return values.gather(1, peak) > least + self.threshold * (most - least)

    def _refined(self, saliency: Tensor, peak: Tensor) -> Tensor:
        """Centres (x, y), as fractions of the frame: the soft argmax around every peak."""
        H, W = saliency.shape[-2:]
        row, col = torch.arange(H, device=peak.device), torch.arange(W, device=peak.device)
        near_row = (row - (peak // W)[..., None]).abs() <= self.radius  # [F, N, H]
        near_col = (col - (peak % W)[..., None]).abs() <= self.radius
        near = near_row[..., :, None] & near_col[..., None, :]
        logits = saliency[:, None].expand_as(near).masked_fill(~near, -torch.inf)
        weight = logits.flatten(2).softmax(dim=-1).view_as(logits)
        x = (weight.sum(-2) * (col + 0.5)).sum(-1) / W
        y = (weight.sum(-1) * (row + 0.5)).sum(-1) / H
        return torch.stack([x, y], dim=-1)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}, radius={self.radius}"


class _Contrast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _TEMPERATURE * contrast(x)


class _FeatureNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.norm(dim=1, keepdim=True)


def _convolutions(channels: int) -> nn.Module:
    # No bias in the last one: it would raise all pixels alike.
    return nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 1, bias=False))
