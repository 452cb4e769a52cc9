"""Layer normalisation of one frame's graph."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.utils import scatter

from ..functional import looks_free


class FrameNorm(nn.Module):
    r"""Layer normalisation over all rows and channels of one frame's graph, affine per channel.

    .. math::
        y_{nc} = \gamma_c \frac{x_{nc} - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_c

    with :math:`\mu, \sigma^2` over the nodes (or edges) and channels of the frame together, as in the released code
    of RSTG and DyReg-GNN. The number of rows may differ from frame to frame.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.

    Shapes:
        - **x:** :math:`(*, N, C)`, one frame per leading index, or flat :math:`(V, C)` with ``index``
        - **index:** frame of every row, :math:`(V)`
        - **mask:** rows that count, :math:`(V)`, bool; with ``index`` and ``num_frames``. What the others hold changes
          nothing in their frame.
        - **output:** like ``x``

    Example:
        >>> FrameNorm(8)(torch.randn(2, 5, 8)).mean(dim=(1, 2)).abs().max() < 1e-6
        tensor(True)
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        num_frames: int | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        if index is None:
            y = F.layer_norm(x, x.shape[-2:], eps=self.eps)
        elif num_frames is not None and mask is None and _equal_frames(index, num_frames):
            y = x.unflatten(0, (num_frames, -1))
            y = F.layer_norm(y, y.shape[-2:], eps=self.eps).flatten(0, 1)
        else:
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            rows = slice(None) if mask is None else mask
            # Rows of one frame have equally many channels: the frame's mean is the mean of its rows' means.
            mean = scatter(x.mean(-1)[rows], index[rows], dim_size=num_frames, reduce="mean")
            y = x - mean[index, None]
            var = scatter(y.square().mean(-1)[rows], index[rows], dim_size=num_frames, reduce="mean")
            y = (y * (var + self.eps).rsqrt()[index, None]).to(self.weight.dtype)
        return y * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


def _equal_frames(index: Tensor, num_frames: int) -> bool:
    """Whether the rows lie frame by frame, equally many each, so that a view replaces the scatter.

    The general way gives the same numbers, so the values are read only where that costs nothing.
    """
    if not looks_free(index) or index.numel() % num_frames != 0:
        return False
    return bool((index.view(num_frames, -1) == torch.arange(num_frames)[:, None]).all())
