"""Nodes on fixed grids."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..data import Regions
from ..functional import box_kernel, grid_boxes, overlap_edges
from .base import GraphBuilder


class GridGraph(GraphBuilder):
    r"""Regions on regular grids of several scales: the nodes of RSTG (Nicolicioiu et al., NeurIPS 2019, section 3.1).

    Every cell averages its part of the map, a pixel on a border counting by the fraction inside; going back, every
    pixel gets the mean of the cells it lies in, by area, summed over scales. One scale gives DyReg-GNN's "Fixed" nodes.

    Args:
        channels: channels of the feature map.
        scales: rows and columns of each grid; an int for a square one.
        edge_index: edges of one frame; by default regions that overlap or share a border.
        connect: a rule instead of ``edge_index``, see :class:`GraphBuilder`.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`N = 14` nodes a frame for the default scales: 3 x 3, then 2 x 2, then the frame

    Example:
        >>> graph = GridGraph(8)(torch.randn(1, 2, 8, 7, 7))
        >>> graph.frame(0, 0).x.shape, graph.frame(0, 0).edge_index.shape
        (torch.Size([14, 8]), torch.Size([2, 90]))
    """

    def __init__(
        self,
        channels: int,
        scales: Sequence[int | tuple[int, int]] = (3, 2, 1),
        *,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
    ) -> None:
        grids = [(scale, scale) if isinstance(scale, int) else scale for scale in scales]
        if not grids or any(rows < 1 or cols < 1 for rows, cols in grids):
            raise ValueError(f"Expected 'scales' with grids of at least 1 x 1 (got {list(scales)})")
        boxes = torch.cat([grid_boxes(rows, cols, dtype=torch.float64) for rows, cols in grids])
        edges = overlap_edges(boxes) if edge_index is None and connect is None else edge_index
        super().__init__(channels, boxes.size(0), edge_index=edges, connect=connect)
        self.grids = grids

    @property
    def nodes_per_scale(self) -> tuple[int, ...]:
        """Nodes of every scale in order; (9, 4, 1) for the default scales."""
        return tuple(rows * cols for rows, cols in self.grids)

    def regions(self, x: Tensor) -> Regions:
        B, T, _, H, W = x.shape
        if any(rows > H or cols > W for rows, cols in self.grids):
            raise ValueError(
                f"Expected a map of at least the largest grid in 'scales' = {self.grids} (got {H} x {W}); "
                "use coarser scales or an earlier stage of the backbone"
            )
        dtype = torch.promote_types(x.dtype, torch.float32)
        box = torch.cat([grid_boxes(*grid, dtype=dtype, device=x.device) for grid in self.grids])
        kernel = box_kernel(box, (H, W))
        # Exact fractions of the frame, where the released code rounds cells down to whole pixels.
        return Regions(box.expand(B, T, -1, -1), kernel.expand(B, T, -1, -1, -1))

    def extra_repr(self) -> str:
        return f"{self.channels}, scales={self.grids}"
