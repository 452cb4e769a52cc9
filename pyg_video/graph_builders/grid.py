"""Nodes on fixed grids."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from .._checks import rows_and_columns
from ..data import Regions
from ..functional import box_kernel, grid_boxes, overlap_edges
from .base import BuilderOptions, GraphBuilder


class GridGraph(GraphBuilder):
    r"""Regions on regular grids of several scales: the nodes of RSTG (Nicolicioiu et al., NeurIPS 2019, section 3.1).

    A node is the mean of its cell, where a pixel on a border counts by the fraction inside. One grid with all pairs
    connected gives DyReg-GNN's "Fixed" nodes.

    Args:
        channels: number of channels of the feature map.
        num_nodes: one grid in place of ``scales``: its number of cells, factorised as squarely as possible, or
            (rows, columns).
        scales: (rows, columns) of every grid, or its side; by default 3 x 3, 2 x 2 and the frame, 14 nodes.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`; by default, overlapping or
            adjacent cells are connected.

    Example:
        >>> graph = GridGraph(8)(torch.randn(1, 2, 8, 7, 7))
        >>> graph.frame(0, 0).x.shape, graph.frame(0, 0).edge_index.shape
        (torch.Size([14, 8]), torch.Size([2, 90]))
        >>> GridGraph(8, 6)
        GridGraph(8, scales=[(2, 3)])
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] | None = None,
        *,
        scales: Sequence[int | tuple[int, int]] | None = None,
        **options: Unpack[BuilderOptions],
    ) -> None:
        grids = _grids(num_nodes, scales)
        boxes = torch.cat([grid_boxes(rows, cols, dtype=torch.float64) for rows, cols in grids])
        if options.get("edge_index") is None and options.get("connect") is None:
            options["edge_index"] = overlap_edges(boxes)
        super().__init__(channels, len(boxes), **options)
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


def _grids(
    num_nodes: int | tuple[int, int] | None, scales: Sequence[int | tuple[int, int]] | None
) -> list[tuple[int, int]]:
    """Rows and columns of every grid."""
    if num_nodes is not None:
        if scales is not None:
            raise ValueError(f"Expected one of 'num_nodes' and 'scales' (got {num_nodes} and {scales}); leave one out")
        return [rows_and_columns(num_nodes)]
    scales = (3, 2, 1) if scales is None else scales
    grids = [(scale, scale) if isinstance(scale, int) else scale for scale in scales]
    if not grids or any(rows < 1 or cols < 1 for rows, cols in grids):
        raise ValueError(f"Expected 'scales' with grids of at least 1 x 1 (got {list(scales)})")
    return grids
