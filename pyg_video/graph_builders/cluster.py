"""Nodes on clusters of pixels."""

import math
import warnings
from typing import TYPE_CHECKING, Unpack

import torch
from torch import Tensor

from .._checks import rows_and_columns
from .._extras import need
from ..data import Regions
from ..functional import box_kernel, grid_boxes, normalize_kernel
from .base import BuilderOptions, GraphBuilder
from .segments import segment_regions

if TYPE_CHECKING:
    from numpy import ndarray


class ClusterGraph(GraphBuilder):
    r"""Clusters of pixels by k-means over features and positions, of scikit-learn.

    The distance of pixels :math:`p` and :math:`q` is

    .. math:: \frac{\lVert X_p - X_q \rVert^2}{C \sigma^2} + (m \lVert p - q \rVert)^2

    with :math:`\sigma` the spread of the frame's features, and positions in units of the cells of a grid. Cluster
    :math:`n` starts from the mean of cell :math:`n`, so that nodes tend to keep their place in the grid from frame to
    frame. Unlike superpixels, clusters may extend across the frame. Where a frame has fewer distinct pixels than nodes,
    nodes are outside of the graph's ``mask``.

    Gradients, device and installation are as for :class:`SuperpixelGraph`.

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of clusters, factorised as squarely as possible, or (rows, columns) of the grid.
        compactness: weight :math:`m` of the distance in space against that in features, 0 or more.
        iterations: maximal number of iterations of k-means.
        **options: ``edge_index``, ``connect`` and ``track`` of :class:`GraphBuilder`.
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int | tuple[int, int] = 9,
        *,
        compactness: float = 0.3,
        iterations: int = 10,
        **options: Unpack[BuilderOptions],
    ) -> None:
        super().__init__(channels, num_nodes, **options)
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
        places = grid_boxes(H, W, dtype=torch.float64)[:, [1, 0]] * torch.tensor(self.arrangement)  # in cells
        pixels = torch.cat([features / (spread * math.sqrt(C)), self.compactness * places], dim=1)
        cells = normalize_kernel(box_kernel(grid_boxes(*self.arrangement, dtype=torch.float64), (H, W)))
        start = (cells.flatten(1) @ pixels).numpy()
        k_means = need("sklearn.cluster", "superpixels").KMeans(
            self.num_nodes, init=start, n_init=1, max_iter=self.iterations
        )
        labels: ndarray = k_means.fit_predict(pixels.numpy())
        return labels.reshape(H, W)

    def extra_repr(self) -> str:
        return f"{self.channels}, arrangement={self.arrangement}, compactness={self.compactness}"
