"""Background subtraction: what moves before a camera that stands still."""

import torch
from torch import Tensor, nn

from ..functional import frame_mask
from .stages import NonCausal


class MedianDifference(NonCausal, nn.Module):
    r"""How much each pixel differs from its median over the frames of its clip, :math:`|x_t - median_s(x_s)|`.

    Before a still camera, the median is the background as long as nothing covers a pixel in half of the frames. There
    are no parameters, and nothing of the background is left to learn by heart. The median depends on later frames, so
    a net with this stage runs on whole clips, not chunk by chunk.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **lengths:** number of valid frames of every clip, :math:`(B)`; others do not count
        - **output:** :math:`(B, T, C, H, W)`

    Example:
        >>> clip = torch.tensor([5.0, 9.0, 5.0]).view(1, 3, 1, 1, 1)  # something passes in the second frame
        >>> MedianDifference()(clip).flatten().tolist()
        [0.0, 4.0, 0.0]
    """

    def forward(self, clips: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return (clips - clips.median(dim=1, keepdim=True).values).abs()
        beyond = ~frame_mask(lengths, clips.size(1))[..., None, None, None]
        median = clips.masked_fill(beyond, torch.nan).nanmedian(dim=1, keepdim=True).values
        return (clips - median).abs()
