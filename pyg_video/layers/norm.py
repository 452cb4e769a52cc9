"""Normalisation of the nodes and messages of graphs."""

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.utils import scatter

from .._checks import looks_free


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

    def forward(self, x: Tensor, index: Tensor | None = None, num_frames: int | None = None) -> Tensor:
        if index is None:
            y = F.layer_norm(x, x.shape[-2:], eps=self.eps)
        elif num_frames is not None and _equal_frames(index, num_frames):
            y = x.unflatten(0, (num_frames, -1))
            y = F.layer_norm(y, y.shape[-2:], eps=self.eps).flatten(0, 1)
        else:
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            # Rows of one frame have equally many channels: the frame's mean is the mean of its rows' means.
            mean = scatter(x.mean(-1), index, dim_size=num_frames, reduce="mean")
            y = x - mean[index, None]
            var = scatter(y.square().mean(-1), index, dim_size=num_frames, reduce="mean")
            y = (y * (var + self.eps).rsqrt()[index, None]).to(self.weight.dtype)
        return y * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


class ClipNorm(nn.Module):
    r"""Layer normalisation over all frames, nodes and channels of a clip, affine per channel.

    RSTG's released code normalises the nodes before the graph so. It looks at frames to come: such a model cannot run
    on a stream. :class:`FrameNorm` can.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.

    Shapes:
        - **x:** :math:`(B, T, N, C)`
        - **lengths:** frames of every clip that count, :math:`(B)`
        - **mask:** nodes that count, :math:`(B, T, N)`, bool
        - **output:** like ``x``
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

    def forward(self, x: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if lengths is None and mask is None:
            return F.layer_norm(x, x.shape[1:], eps=self.eps) * self.weight + self.bias
        B, T, N, C = x.shape
        inside = x.new_ones(B, T, N, 1) if mask is None else mask[..., None].to(x.dtype)
        if lengths is not None:
            counts = torch.arange(T, device=x.device) < lengths.to(x.device)[:, None]
            inside = inside * counts[:, :, None, None].to(x.dtype)
        count = inside.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1) * C
        y = x - (x * inside).sum(dim=(1, 2, 3), keepdim=True) / count
        var = (y.square() * inside).sum(dim=(1, 2, 3), keepdim=True) / count
        return y * (var + self.eps).rsqrt() * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


class BatchNorm(nn.Module):
    r"""Batch normalisation of nodes or messages, each place in the clip by itself.

    In training, the statistics run over all rows of the batch, or over those of the same frame number where the frames'
    numbers are given, as in RSTG's released code, which calls its norms once a frame; the running ones take the frames
    in turn. Frames beyond a clip's ``lengths`` count, too.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.
        momentum: weight of the newest statistics in the running ones.

    Shapes:
        - **x:** :math:`(*, C)`
        - **index:** number within its clip of the frame of every row, with ``x`` :math:`(R, C)`: :math:`(R)`
        - **output:** like ``x``
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-3, momentum: float = 0.01) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.running_mean)
        nn.init.ones_(self.running_var)

    def forward(self, x: Tensor, index: Tensor | None = None, num_steps: int | None = None) -> Tensor:
        if not self.training or index is None or num_steps is None:
            running = (self.running_mean, self.running_var)
            y = F.batch_norm(x.flatten(0, -2), *running, self.weight, self.bias, self.training, self.momentum, self.eps)
            return y.view_as(x)
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = scatter(x, index, dim_size=num_steps, reduce="mean")
        y = x - mean[index]
        var = scatter(y.square(), index, dim_size=num_steps, reduce="mean")
        count = scatter(x.new_ones(x.size(0)), index, dim_size=num_steps, reduce="sum")
        self._keep(mean.detach(), var.detach(), count)
        return y * (var + self.eps).rsqrt()[index] * self.weight + self.bias

    @torch.no_grad()
    def _keep(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Take the steps' statistics into the running ones, one after the other; steps without rows have none."""
        momentum = self.momentum * (count > 0).to(mean.dtype)
        later = (1 - momentum).flip(0).cumprod(0).flip(0)  # what the steps from here on leave of those before
        weight = momentum * torch.cat([later[1:], later.new_ones(1)])
        unbiased = var * (count / (count - 1).clamp(min=1))[:, None]
        self.running_mean.mul_(later[0]).add_(weight @ mean)
        self.running_var.mul_(later[0]).add_(weight @ unbiased)

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}"


GraphNorm: TypeAlias = FrameNorm | BatchNorm
"""Norms that a space stage takes."""


def norm_rows(
    norm: GraphNorm | None,
    x: Tensor,
    frame: Tensor | None,
    num_frames: int | None,
    num_steps: int | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Nodes or messages through a norm; rows out of ``mask`` come out as zeros and change nothing for the others.

    Args:
        norm: ``None`` for none.
        x: the rows.
        frame: frame of every row, counted over all clips.
        num_frames: frames of all clips together.
        num_steps: frames a clip.
        mask: rows that are there; by default all.
    """
    if norm is None:
        return x
    if mask is not None:
        y = norm_rows(norm, x[mask], None if frame is None else frame[mask], num_frames, num_steps)
        return y.new_zeros(x.shape).index_put((mask,), y)
    if isinstance(norm, FrameNorm):
        return norm(x, frame, num_frames)
    # Frames are numbered clip by clip, so the place of a frame in its clip is the remainder.
    return norm(x, None if frame is None or num_steps is None else frame % num_steps, num_steps)


def _equal_frames(index: Tensor, num_frames: int) -> bool:
    """Whether the rows lie frame by frame, equally many each, so that a view replaces the scatter.

    The general way gives the same numbers, so the values are read only where that costs nothing.
    """
    if not looks_free(index) or index.numel() % num_frames != 0:
        return False
    return bool((index.view(num_frames, -1) == torch.arange(num_frames)[:, None]).all())
