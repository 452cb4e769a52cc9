"""Normalization of the nodes and messages of graphs, by frame, by clip, or over the batch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import LayerNorm
from torch_geometric.utils import scatter

from ..data import Frames
from .clip_info import accepted_info, signature_of, taken_by
from .precision import without_autocast


class FrameNorm(LayerNorm):
    r"""Layer normalization over all rows and channels of one frame's graph, affine per channel.

    .. math::
        y_{nc} = \gamma_c \frac{x_{nc} - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_c

    with :math:`\mu, \sigma^2` over the nodes (or edges) and channels of the frame together, as in the released code
    of RSTG and DyReg-GNN. It is PyG's ``LayerNorm(mode="graph")`` with frames as graphs, and has the same parameters.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.

    Shapes:
        - **x:** :math:`(*, N, C)`, one frame per leading index, or flat :math:`(R, C)` with ``frames``
        - **frames:** the frame of every row, which may differ in their number of rows
        - **mask:** rows that count, :math:`(*, N)` or :math:`(R)`, bool; the others are ignored and become zeros
        - **output:** like ``x``

    Example:
        >>> FrameNorm(8)(torch.randn(2, 5, 8)).mean(dim=(1, 2)).abs().max() < 1e-6
        tensor(True)
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps, mode="graph")

    def forward(self, x: Tensor, frames: Frames | None = None, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            return _of_present_rows(self, x, frames, mask)
        if frames is None or frames.frame is None:
            y = x if frames is None or x.dim() > 2 else x.unflatten(0, (frames.total, -1))
            y = F.layer_norm(y, y.shape[-2:], eps=self.eps) * self.weight + self.bias
            return y.view(x.shape)
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return super().forward(x, frames.frame, frames.total).to(self.weight.dtype)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, eps={self.eps}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class ClipNorm(FrameNorm):
    r"""Layer normalization over all frames, nodes and channels of a clip, affine per channel.

    The norm of the nodes before the graph in RSTG's released code. It depends on later frames: such a model cannot run
    on a stream, where :class:`FrameNorm` can.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.

    Shapes:
        - **x:** :math:`(B, T, N, C)`, or flat :math:`(R, C)` with ``frames``
        - **frames:** the frame of every row
        - **mask:** rows that count, :math:`(B, T, N)` or :math:`(R)`, bool; the others are ignored and become zeros
        - **output:** like ``x``
    """

    causal = False

    def forward(self, x: Tensor, frames: Frames | None = None, mask: Tensor | None = None) -> Tensor:
        clips = (Frames.of_grid(x) if frames is None else frames).per_clip()
        return super().forward(x.flatten(0, -2), clips, None if mask is None else mask.flatten()).view(x.shape)


class BatchNorm(nn.Module):
    r"""Batch normalization of nodes or messages.

    Args:
        channels: size of the last dimension.
        eps: added to the variance.
        momentum: weight of the newest statistics in the running ones.
        by_frame: take the statistics of training over the rows of the same frame number, one frame number after the
            other, as RSTG's released code does, which calls the norms of its stages once per frame; by default over all
            rows of the batch.

    Shapes:
        - **x:** :math:`(*, C)`, with ``by_frame`` :math:`(B, T, N, C)` or flat :math:`(R, C)` with ``frames``
        - **frames:** the frame of every row; only ``by_frame`` needs it
        - **mask:** rows that count, :math:`(*)`, bool; the others are ignored and become zeros
        - **output:** like ``x``
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-3, momentum: float = 0.01, by_frame: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.momentum = momentum
        self.by_frame = by_frame
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

    def forward(self, x: Tensor, frames: Frames | None = None, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            return _of_present_rows(self, x, frames, mask)
        if self.training and self.by_frame:
            return self._by_frame(x.flatten(0, -2), Frames.of_grid(x) if frames is None else frames).view(x.shape)
        rows, running = x.flatten(0, -2), (self.running_mean, self.running_var)
        training = self.training and rows.size(0) > 1  # a single row has no statistics
        rows = rows.to(torch.promote_types(x.dtype, self.running_mean.dtype))  # statistics are not those of rounding
        y = F.batch_norm(rows, *running, self.weight, self.bias, training, self.momentum, self.eps)
        return y.view_as(x)

    def _by_frame(self, x: Tensor, frames: Frames) -> Tensor:
        T = frames.num_frames
        number = frames.index_of(x.size(0), x.device) % T  # frames are numbered clip by clip
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = scatter(x, number, dim_size=T, reduce="mean")
        y = x - mean[number]
        var = scatter(y.square(), number, dim_size=T, reduce="mean")
        count = scatter(x.new_ones(x.size(0)), number, dim_size=T, reduce="sum")
        self._keep(mean.detach(), var.detach(), count)
        y = y * (var + self.eps).rsqrt()[number] * self.weight + self.bias
        return y.to(self.weight.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Take the frame numbers' statistics into the running ones, one after the other, without those of no rows."""
        momentum = self.momentum * (count > 0).to(mean.dtype)
        later = (1 - momentum).flip(0).cumprod(0).flip(0)  # what the numbers from here on leave of those before
        weight = momentum * torch.cat([later[1:], later.new_ones(1)])
        unbiased = var * (count / (count - 1).clamp(min=1))[:, None]
        # Not a matrix product, which autocast would round.
        self.running_mean.mul_(later[0]).add_((weight[:, None] * mean).sum(0))
        self.running_var.mul_(later[0]).add_((weight[:, None] * unbiased).sum(0))

    def extra_repr(self) -> str:
        by_frame = ", by_frame=True" if self.by_frame else ""
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}{by_frame}"


def normalize(norm: nn.Module, x: Tensor, frames: Frames | None = None, mask: Tensor | None = None) -> Tensor:
    """Nodes or messages through any norm: one of ours, one of PyG's with frames as its graphs, or ``nn.Identity()``.

    Args:
        norm: takes ``frames`` and ``mask``, or ``batch`` and ``batch_size`` as PyG's, or rows alone.
        x: the rows, :math:`(*, N, C)` or flat :math:`(R, C)` with ``frames``.
        frames: the frame of every row.
        mask: rows that count.
    """
    if isinstance(norm, nn.Identity):
        return x
    if isinstance(norm, nn.Sequential):
        for part in norm:
            x = normalize(part, x, frames, mask)
        return x
    if "frames" in accepted_info(norm):
        return norm(x, frames, mask)
    if mask is not None:
        return _of_present_rows(norm, x, frames, mask)
    rows, frames = x.flatten(0, -2), Frames.of_grid(x) if frames is None else frames
    graphs = {"batch": frames.index_of(rows.size(0), x.device), "batch_size": frames.total}
    taken = taken_by(norm, graphs)
    if missing := [name for name in signature_of(norm).required if name not in taken]:
        raise ValueError(
            f"Expected a norm of nodes and their frames (got {type(norm).__name__}, which needs {', '.join(missing)}); "
            "use FrameNorm, or another norm of PyG"
        )
    if (dtype := _dtype_of_statistics(norm)) is None:
        return norm(rows, **taken).view(x.shape)
    with without_autocast(rows):
        return norm(rows.to(torch.promote_types(rows.dtype, dtype)), **taken).view(x.shape)


def _dtype_of_statistics(norm: nn.Module) -> torch.dtype | None:
    """The type of the running statistics in a norm, if it has any."""
    return next((value.dtype for value in norm.buffers() if value.is_floating_point()), None)


def _of_present_rows(norm: nn.Module, x: Tensor, frames: Frames | None, mask: Tensor) -> Tensor:
    """Normalize the rows in the mask as if there were no others; these become zeros."""
    rows, mask = x.flatten(0, -2), mask.flatten()
    frames = (Frames.of_grid(x) if frames is None else frames).at(mask, rows.size(0))
    y = normalize(norm, rows[mask], frames)
    return y.new_zeros(rows.shape).index_put((mask,), y).view(x.shape)
