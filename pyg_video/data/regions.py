"""Where the nodes of clips are."""

from typing import NamedTuple

from torch import Tensor


class Regions(NamedTuple):
    """Where the nodes of a clip are; what a :class:`~pyg_video.graph_builders.GraphBuilder` decides.

    Shapes:
        - **box:** :math:`(B, T, N, 4)`, ``cxcywh`` as fractions of the frame
        - **kernel:** :math:`(B, T, N, H, W)`, non-negative; the weights with which a node's result goes back to the
          pixels. Pixels are pooled with the same weights, divided by their sum over the map.
        - **mask:** :math:`(B, T, N)`, bool, which nodes are present; by default all
    """

    box: Tensor
    kernel: Tensor
    mask: Tensor | None = None
