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

    def only(self, mask: Tensor) -> "Regions":
        """These regions with those outside of a mask missing: their boxes and kernels are empty."""
        box, kernel = self.box.masked_fill(~mask[..., None], 0.0), self.kernel.masked_fill(~mask[..., None, None], 0.0)
        return Regions(box, kernel, mask if self.mask is None else self.mask & mask)
