"""Background subtraction: what moves before a camera that stands still."""

import torch
from torch import Tensor, nn

from ..functional import frame_mask
from .stages import NonCausal

_LEAST = 1e-6  # added to the size of a clip's motion


class MedianDifference(NonCausal, nn.Module):
    r"""How much each pixel differs from its median over the frames of its clip, relative to the whole clip.

    .. math:: \frac{d_t}{\sqrt{\operatorname{mean}(d^2)}}, \quad d_t = |x_t - \operatorname{median}_s(x_s)|

    Before a still camera, the median is the background as long as nothing covers a pixel in half of the frames. There
    are no parameters, and nothing of the background is left to learn by heart. Without the division, a clip whose
    camera shakes would be much brighter than one in which only something small moves, and running statistics of batch
    norms would fit neither. A clip without motion becomes zeros. The median depends on later
    frames, so a net with this stage runs on whole clips, not chunk by chunk.

    Shapes:
        - **clips:** :math:`(B, T, C, H, W)`
        - **lengths:** number of valid frames of every clip, :math:`(B)`; others do not count
        - **output:** :math:`(B, T, C, H, W)`

    Example:
        >>> clip = torch.tensor([5.0, 9.0, 5.0, 5.0]).view(1, 4, 1, 1, 1)  # something passes in the second frame
        >>> MedianDifference()(clip).round(decimals=3).flatten().tolist()
        [0.0, 2.0, 0.0, 0.0]
    """

    def forward(self, clips: Tensor, lengths: Tensor | None = None) -> Tensor:
        clips = clips.contiguous()  # of a tensor that is expanded over frames, torch 2.14 gives wrong medians
        if lengths is None:
            found = (clips - clips.median(dim=1, keepdim=True).values).abs()
            square = found.float().square().mean(dim=(1, 2, 3, 4), keepdim=True)
        else:
            beyond = ~frame_mask(lengths, clips.size(1))[..., None, None, None]
            found = (clips - clips.masked_fill(beyond, torch.nan).nanmedian(dim=1, keepdim=True).values).abs()
            squares = found.float().masked_fill(beyond, 0).square().mean(dim=(2, 3, 4), keepdim=True)
            square = squares.sum(dim=1, keepdim=True) / lengths.view(-1, 1, 1, 1, 1)
        return found / (square.sqrt() + _LEAST).to(found.dtype)
