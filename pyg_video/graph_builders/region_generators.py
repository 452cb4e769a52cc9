"""Region generators of DyReg-GNN: from a feature map to one latent vector per region."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import resolve
from ..functional import pool
from ..layers.map_reads import pointwise
from ..layers.map_size import MapSizeModule, pool_to_size


class HourGlass(nn.Module):
    """A small convolutional hourglass network, :math:`M_t = f(X_t)` (DyReg-GNN, eq. 1).

    Strides depend on the smaller side of the map, as in the released code:

    ============ ================== ============ =============
    smaller side 2 x 2 max-pool     first stride other strides
    ============ ================== ============ =============
    above 50     after ``reduce``   2            2
    21 to 50     none               2            2
    11 to 20     none               2            1
    3 to 10      none               1            1
    ============ ================== ============ =============

    Every convolution is followed by ReLU and a layer normalisation over :math:`(C, H, W)`, affine per channel.

    Args:
        channels: number of channels of the input.
        size: height and width of the input; by default those of the first map. No parameter depends on it.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, 16, H', W')` with :math:`(H', W')` = ``out_size``

    Raises:
        ValueError: the map is smaller than 3 x 3 pixels.
    """

    out_channels = 16

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, 32, 1)
        self.pool: nn.Module = nn.Identity()
        self.down = nn.Conv2d(32, 32, 3)
        self.deep = nn.Conv2d(32, 16, 3)
        self.up = nn.ConvTranspose2d(16, 32, 3)
        self.head = nn.Conv2d(32, 16, 3)
        self.norms = nn.ModuleList([nn.GroupNorm(1, c) for c in (32, 32, 16, 32, 16)])
        self.out_size: tuple[int, ...] = ()
        if size is not None:
            self._lay_out(size)

    def forward(self, x: Tensor) -> Tensor:
        if not self.out_size:
            self._lay_out((x.size(-2), x.size(-1)))
        reduce, down, deep, up, head = self.norms
        x = reduce(self.pool(pointwise(self.reduce, x).relu()))
        skip = down(self.down(x).relu())
        x = deep(self.deep(skip).relu())
        x = self.up(x, output_size=skip.shape[-2:])
        x = up(x.relu()) + skip
        return head(self.head(x).relu())

    def _lay_out(self, size: tuple[int, int]) -> None:
        layout = hour_glass_layout(size)
        self.out_size = layout.out_size
        self.pool = nn.MaxPool2d(2) if layout.pooled else nn.Identity()
        self.down.stride = (layout.first_stride,) * 2
        for conv in (self.deep, self.up, self.head):
            conv.stride, conv.padding = (layout.stride,) * 2, (layout.padding,) * 2


class HourGlassLayout(NamedTuple):
    """The settings of an :class:`HourGlass` that depend on the size of the map."""

    pooled: bool
    first_stride: int
    stride: int
    padding: int
    out_size: tuple[int, int]


def hour_glass_layout(size: tuple[int, int]) -> HourGlassLayout:
    """Strides and output size of an :class:`HourGlass`.

    Example:
        >>> hour_glass_layout((14, 14))
        HourGlassLayout(pooled=False, first_stride=2, stride=1, padding=1, out_size=(6, 6))
    """
    smallest = min(size)
    if smallest < 3:
        raise ValueError(
            f"Expected a map of at least 3 x 3 pixels (got {size[0]} x {size[1]}); use larger frames, an earlier "
            "stage, or generator='pool'"
        )
    first = 2 if smallest > 10 else 1
    stride, padding = (2, 0) if smallest > 20 else (1, 1)

    def out(n: int) -> int:
        middle = ((n // 2 if smallest > 50 else n) - 3) // first + 1
        return (middle + 2 * padding - 3) // stride + 1

    return HourGlassLayout(smallest > 50, first, stride, padding, (out(size[0]), out(size[1])))


class FullyConnectedGenerator(MapSizeModule):
    r"""Every region reads the whole map with its own weights, :math:`\hat m_{i,t} = g_i(f(X_t))` (DyReg-GNN, eq. 2).

    Args:
        channels: number of channels of the feature map.
        num_nodes: number of regions :math:`N`.
        size: height and width to which maps are average-pooled, as in the released code; by default those of the first
            map, until which ``linear`` has no weight.
        out_channels: size of a region's vector.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, N, C')`

    Raises:
        ValueError: without ``size``, the first map does not fit weights that were loaded before.

    Example:
        >>> FullyConnectedGenerator(8, 9, out_channels=16)(torch.randn(2, 8, 7, 7)).shape
        torch.Size([2, 9, 16])
    """

    def __init__(
        self, channels: int, num_nodes: int, size: tuple[int, int] | None = None, *, out_channels: int = 128
    ) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.out_channels = out_channels
        self.saliency = HourGlass(channels, size)
        self.add_linear(size, num_nodes * out_channels)

    def num_inputs(self, size: tuple[int, int]) -> int:
        return HourGlass.out_channels * math.prod(hour_glass_layout(size).out_size)

    def forward(self, x: Tensor) -> Tensor:
        saliency = self.saliency(self.at_size(x))
        return self.linear(saliency.flatten(1)).unflatten(1, (self.num_nodes, self.out_channels))


class PooledGenerator(nn.Module):
    r"""Every region collects features with positions from the pixels that choose it: DyReg-GNN-Lite.

    .. math::
        \hat m_i = W \sum_p s_{ip} \, (X_p + P e_p) + b, \qquad s_{\cdot p} = \mathrm{softmax}_i(a_i \cdot X_p)

    The softmax runs over the regions at each pixel [code]; :math:`e` is ``sinusoidal_positions``. It has a small
    fraction of the parameters of :class:`FullyConnectedGenerator`.

    Args:
        channels: number of channels of the feature map, a multiple of 4.
        num_nodes: number of regions :math:`N`.
        size: height and width to which maps are average-pooled, as in the released code; by default they are not.
        out_channels: size of a region's vector.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, N, C')`

    Example:
        >>> PooledGenerator(8, 9, out_channels=16)(torch.randn(2, 8, 7, 7)).shape
        torch.Size([2, 9, 16])
    """

    table: Tensor | None

    def __init__(
        self, channels: int, num_nodes: int, size: tuple[int, int] | None = None, *, out_channels: int = 128
    ) -> None:
        super().__init__()
        self.size = None if size is None else (size[0], size[1])
        self.out_channels = out_channels
        self.choose = nn.Conv2d(channels, num_nodes, 1)
        self.position = nn.Conv2d(channels, channels, 1)
        self.linear = nn.Linear(channels, out_channels)
        table = sinusoidal_positions(channels, size or (1, 1))  # refuses channels without a sine and a cosine each
        self.register_buffer("table", None if size is None else table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = pool_to_size(x, self.size)
        share = self.choose(x).softmax(dim=1)  # [F, N, H, W]
        table = sinusoidal_positions(x.size(1), (x.size(2), x.size(3))).to(x) if self.table is None else self.table
        return self.linear(pool(x + self.position(table[None]), share))


def sinusoidal_positions(channels: int, size: tuple[int, int]) -> Tensor:
    r"""Sinusoidal encoding of every pixel's position: half of the channels for its row, half for its column [code].

    Channels :math:`2k` and :math:`2k + 1` of a half of :math:`D = C / 2` channels are :math:`\sin(t / \tau_k)` and
    :math:`\cos(t / \tau'_k)`, where :math:`t` runs from 0 to 1 over the map, :math:`\tau_k = 10000^{2k / D}` and
    :math:`\tau'_k = 10000^{(2k + 1) / D}`.

    Shapes:
        - **output:** :math:`(C, H, W)`
    """
    if channels < 4 or channels % 4 != 0:
        raise ValueError(
            f"Expected 'channels' to be a multiple of 4, for sines and cosines of rows and columns (got {channels}); "
            "project the map first (GraphBlock's node_channels)"
        )
    half = channels // 2
    period = 10000.0 ** (torch.arange(half, dtype=torch.float64) / half)

    def encode(n: int) -> Tensor:
        phase = torch.linspace(0, 1, n, dtype=torch.float64) / period[:, None]  # [D, n]
        return torch.stack([phase[0::2].sin(), phase[1::2].cos()], dim=1).flatten(0, 1)

    rows, columns = torch.broadcast_tensors(encode(size[0])[:, :, None], encode(size[1])[:, None])
    return torch.cat([rows, columns]).to(torch.get_default_dtype())


class LearnedVectors(nn.Module):
    """Learned vectors that do not depend on the input: the regions of DyReg-GNN's "Static" model.

    Args:
        num_nodes: number of regions :math:`N`.
        out_channels: size of a region's vector.

    Shapes:
        - **output:** :math:`(F, N, C')`
    """

    def __init__(self, num_nodes: int, *, out_channels: int = 128) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.weight = nn.Parameter(torch.empty(num_nodes, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight.expand(x.size(0), -1, -1)


GENERATORS: dict[str, type[nn.Module]] = {"fc": FullyConnectedGenerator, "pool": PooledGenerator}


def resolve_generator(
    generator: str | nn.Module | None, channels: int, num_nodes: int, size: tuple[int, int] | None, **options: int
) -> nn.Module:
    """The generator of that name, ``"fc"`` for ``None``, or the one given."""
    known = {name: partial(kind, channels, num_nodes, size, **options) for name, kind in GENERATORS.items()}
    return resolve("generator", "fc" if generator is None else generator, known)
