"""Nodes on clusters of pixels."""

import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .._checks import check_arrangement
from ..data import Regions
from ..functional import box_kernel, grid_boxes, normalize_kernel
from .base import GraphBuilder
from .segments import optional, segment_regions

if TYPE_CHECKING:
    from numpy import ndarray


class ClusterGraph(GraphBuilder):
    r"""Clusters of pixels by k-means over features and places, of scikit-learn.

    The distance of pixels :math:`p` and :math:`q` is

    .. math:: \frac{\lVert X_p - X_q \rVert^2}{C \sigma^2} + (m \lVert p - q \rVert)^2

    with :math:`\sigma` the spread of the frame's features and places counted in cells of the arrangement. Cluster
    :math:`n` starts from the mean of cell :math:`n`, so that nodes keep their place in the grid from frame to frame as
    far as the picture allows. Unlike superpixels, clusters reach across the frame: with ``compactness=0``, features
    alone decide. Where a frame has fewer different pixels than nodes, nodes are out of the graph's ``mask``.

    Deterministic, nothing to learn, and no gradient through the assignment: only through the pixels' features. Frames
    go to the CPU one by one. Needs ``pip install "pyg_video[superpixels]"``.

    Args:
        channels: channels of the feature map.
        arrangement: rows and columns of the cells that clusters start from.
        compactness: weight :math:`m` of distance against likeness.
        iterations: of k-means, at most.
        edge_index: edges of one frame; by default all pairs, each node with itself included.
        connect: a rule instead of ``edge_index``, see :class:`GraphBuilder`.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`N = h w` nodes a frame
    """

    def __init__(
        self,
        channels: int,
        arrangement: tuple[int, int] = (3, 3),
        *,
        compactness: float = 0.3,
        iterations: int = 10,
        edge_index: Tensor | None = None,
        connect: str | nn.Module | None = None,
    ) -> None:
        rows, cols = check_arrangement(arrangement)
        super().__init__(channels, rows * cols, edge_index=edge_index, connect=connect)
        if compactness < 0 or iterations < 1:
            raise ValueError(
                f"Expected 'compactness' and 'iterations' of at least 0 and 1 (got {compactness} and {iterations})"
            )
        optional("sklearn", "scikit-learn")
        self.arrangement = (rows, cols)
        self.compactness = compactness
        self.iterations = iterations

    def regions(self, x: Tensor) -> Regions:
        H, W = x.shape[-2:]
        if self.num_nodes > H * W:
            raise ValueError(
                f"Expected a map of at least {self.num_nodes} pixels, one a cluster (got {H} x {W}); "
                "use a smaller arrangement or an earlier stage"
            )
        # One thread: sums in another order could move a pixel between two clusters.
        with optional("threadpoolctl", "scikit-learn").threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Number of distinct clusters")  # the mask says so
            return segment_regions(x, self._segment, self.num_nodes)

    def _segment(self, frame: "ndarray") -> "ndarray":
        H, W, C = frame.shape
        features = torch.from_numpy(frame).flatten(0, 1)
        spread = features.std(dim=0, correction=0).square().mean().sqrt().clamp(min=1e-12)
        pixels = torch.cat([features / (spread * math.sqrt(C)), self.compactness * self._places(H, W)], dim=1)
        cells = normalize_kernel(box_kernel(grid_boxes(*self.arrangement, dtype=torch.float64), (H, W)))
        cluster = optional("sklearn.cluster", "scikit-learn")
        k_means = cluster.KMeans(
            self.num_nodes, init=(cells.flatten(1) @ pixels).numpy(), n_init=1, max_iter=self.iterations
        )
        labels: ndarray = k_means.fit_predict(pixels.numpy())
        return labels.reshape(H, W)

    def _places(self, H: int, W: int) -> Tensor:
        """Rows and columns of all pixels, in cells."""
        rows, cols = self.arrangement
        row = (torch.arange(H, dtype=torch.float64) + 0.5) * (rows / H)
        col = (torch.arange(W, dtype=torch.float64) + 0.5) * (cols / W)
        return torch.stack(torch.meshgrid(row, col, indexing="ij"), dim=-1).flatten(0, 1)

    def extra_repr(self) -> str:
        return f"{self.channels}, arrangement={self.arrangement}, compactness={self.compactness}"
