"""Nodes on superpixels."""

import math
from functools import partial
from typing import Unpack

from torch import Tensor

from .._extras import need
from ..data import Regions
from .base import BuilderOptions, GraphBuilder
from .segments import segment_regions


class SuperpixelGraph(GraphBuilder):
    r"""Superpixels of the feature map by SLIC (Achanta et al., TPAMI 2012), of scikit-image.

    Pixels are assigned to seeds on a regular grid by the distance

    .. math:: \frac{\lVert X_p - X_q \rVert^2}{C} + \Big(m \, \frac{\lVert p - q \rVert}{S}\Big)^2

    with features scaled to :math:`[0, 1]` within the frame, :math:`S` the distance of the seeds and :math:`m` the
    ``compactness``. Node :math:`n` is the superpixel of seed :math:`n` in every frame. Nodes without a seed or without
    pixels are outside of the graph's ``mask``.

    Deterministic and without parameters. The assignment has no gradient, only the pixels' features have. Frames are
    segmented one by one on the CPU. Needs ``pip install ".[superpixels]"`` in a checkout.

    Args:
        channels: number of channels of the feature map.
        num_nodes: maximal number of superpixels per frame, or (rows, columns).
        compactness: weight :math:`m` of the distance in space against that in features.
        iterations: number of iterations of the assignment.
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
        if compactness <= 0 or iterations < 1:
            raise ValueError(
                f"Expected 'compactness' above 0 and 'iterations' of at least 1 (got {compactness} and {iterations})"
            )
        need("skimage", "superpixels")
        self.compactness = compactness
        self.iterations = iterations

    def regions(self, x: Tensor) -> Regions:
        slic = partial(
            need("skimage.segmentation", "superpixels").slic,
            n_segments=_num_seeds(self.num_nodes, (x.size(-2), x.size(-1))),
            compactness=self.compactness * math.sqrt(self.channels),
            max_num_iter=self.iterations,
            channel_axis=-1,
            convert2lab=False,
            enforce_connectivity=False,  # it would renumber the superpixels in every frame
            start_label=0,
        )
        return segment_regions(x, slic, self.num_nodes)

    def extra_repr(self) -> str:
        return f"{self.channels}, num_nodes={self.num_nodes}, compactness={self.compactness}"


def _num_seeds(num_nodes: int, size: tuple[int, int]) -> int:
    """The largest number of seeds to request that gives at most ``num_nodes``, since SLIC rounds it to a grid."""
    grid = need("skimage.util", "superpixels").regular_grid

    def seeds(asked: int) -> int:
        steps = grid((1, *size), asked)
        return math.prod(len(range(n)[step]) for n, step in zip((1, *size), steps, strict=True))

    return max(asked for asked in range(1, num_nodes + 1) if seeds(asked) <= num_nodes)
