"""Nodes on clusters of pixels."""

import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .._checks import rows_and_columns
from .._extras import need
from ..data import Regions
from ..functional import box_kernel, grid_boxes, normalize_kernel
from .base import GraphBuilder
from .segments import segment_regions

if TYPE_CHECKING:
    from numpy import ndarray


class ClusterGraph(GraphBuilder):
    r"""Clusters of pixels by k-means over features and positions, of scikit-learn.

    The distance of pixels :math:`p` and :math:`q` is

    .. math:: \frac{\lVert X_p - X_q \rVert^2}{C \sigma^2} + (m \lVert p - q \rVert)^2

    with :math:`\sigma` the spread of the frame's features, and positions in units of the cells of a grid. Cluster
    :math:`n` starts from the mean of cell :math:`n`, so that nodes keep their place in the grid from frame to frame
    where the picture allows. Unlike superpixels, clusters may extend across the frame: with ``compactness=0``, only the
    features count. Where a frame has fewer distinct pixels than nodes, nodes are outside of the graph's ``mask``.

    Deterministic and without parameters. The assignment has no gradient, only the pixels' features have. Frames are
    segmented one by one on the CPU. Needs ``pip install ".[superpixels]"`` in a checkout.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of clusters, factorised as squarely as possible, or (rows, columns) of the grid.
        compactness: weight :math:`m` of the distance in space against that in features.
        iterations: maximal number of iterations of k-means.
        edge_index: edges within one frame; by default all pairs, self-loops included.
        connect: rule that computes the edges of every frame, instead of ``edge_index``; see :class:`GraphBuilder`.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        compactness: float = 0.3,
        iterations: int = 10,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
    ) -> None:
        super().__init__(channels, num_nodes, edge_index=edge_index, connect=connect)
        if compactness < 0 or iterations < 1:
            raise ValueError(
                f"Expected 'compactness' and 'iterations' of at least 0 and 1 (got {compactness} and {iterations})"
            )
        need("sklearn", "superpixels")
        self.arrangement = rows_and_columns(num_nodes)
        self.compactness = compactness
        self.iterations = iterations

    def regions(self, x: Tensor) -> Regions:
        H, W = x.shape[-2:]
        if self.num_nodes > H * W:
            raise ValueError(
                f"Expected a map of at least {self.num_nodes} pixels, one per cluster (got {H} x {W}); "
                "use fewer nodes or an earlier stage"
            )
        # One thread: a different order of summation could move a pixel to another cluster.
        with need("threadpoolctl", "superpixels").threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Number of distinct clusters")  # the mask says so
            return segment_regions(x, self._segment, self.num_nodes)

    def _segment(self, frame: "ndarray") -> "ndarray":
        H, W, C = frame.shape
        features = torch.from_numpy(frame).flatten(0, 1)
        spread = features.std(dim=0, correction=0).square().mean().sqrt().clamp(min=1e-12)
        pixels = torch.cat([features / (spread * math.sqrt(C)), self.compactness * self._places(H, W)], dim=1)
        cells = normalize_kernel(box_kernel(grid_boxes(*self.arrangement, dtype=torch.float64), (H, W)))
        cluster = need("sklearn.cluster", "superpixels")
        k_means = cluster.KMeans(
            self.num_nodes, init=(cells.flatten(1) @ pixels).numpy(), n_init=1, max_iter=self.iterations
        )
        labels: ndarray = k_means.fit_predict(pixels.numpy())
        return labels.reshape(H, W)

    def _places(self, H: int, W: int) -> Tensor:
        """Rows and columns of all pixels, in units of cells."""
        rows, cols = self.arrangement
        row = (torch.arange(H, dtype=torch.float64) + 0.5) * (rows / H)
        col = (torch.arange(W, dtype=torch.float64) + 0.5) * (cols / W)
        return torch.stack(torch.meshgrid(row, col, indexing="ij"), dim=-1).flatten(0, 1)

    def extra_repr(self) -> str:
        return f"{self.channels}, arrangement={self.arrangement}, compactness={self.compactness}"
