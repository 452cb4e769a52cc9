"""From a feature map to one latent vector a region: how DyReg-GNN looks for salient regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_option
from ..functional import pool


class HourGlass(nn.Module):
    """A small convolutional hour-glass that highlights salient places, :math:`M_t = f(X_t)` (DyReg-GNN, eq. 1).

    Layer sizes and strides are those of the released code, by the map's smaller side:

    ============ ================== ============ =========
    smaller side 2 x 2 max-pool     first stride the others
    ============ ================== ============ =========
    above 50     after ``reduce``   2            2
    21 to 50     none               2            2
    11 to 20     none               2            1
    3 to 10      none               1            1
    ============ ================== ============ =========

    Every convolution is followed by ReLU and a layer normalisation over :math:`(C, H, W)`, affine per channel.

    Args:
        channels: channels of the input.
        size: height and width of the input.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, 16, H', W')` with :math:`(H', W')` = ``out_size``
    """

    out_channels = 16

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        smallest = min(size)
        if smallest < 3:
            raise ValueError(
                f"Expected a map of at least 3 x 3 pixels (got {size[0]} x {size[1]}); use larger frames, an earlier "
                "stage, or generator='pool'"
            )
        first = 2 if smallest > 10 else 1
        stride, padding = (2, 0) if smallest > 20 else (1, 1)
        self.reduce = nn.Conv2d(channels, 32, 1)
        self.pool = nn.MaxPool2d(2) if smallest > 50 else nn.Identity()
        self.down = nn.Conv2d(32, 32, 3, stride=first)
        self.deep = nn.Conv2d(32, 16, 3, stride=stride, padding=padding)
        self.up = nn.ConvTranspose2d(16, 32, 3, stride=stride, padding=padding)
        self.head = nn.Conv2d(32, 16, 3, stride=stride, padding=padding)
        self.norms = nn.ModuleList([nn.GroupNorm(1, c) for c in (32, 32, 16, 32, 16)])
        self.stride, self.padding = stride, padding
        pooled = [n // 2 if smallest > 50 else n for n in size]
        middle = [(n - 3) // first + 1 for n in pooled]
        self.out_size = tuple((n + 2 * padding - 3) // stride + 1 for n in middle)

    def forward(self, x: Tensor) -> Tensor:
        reduce, down, deep, up, head = self.norms
        x = reduce(self.pool(self.reduce(x).relu()))
        skip = down(self.down(x).relu())
        x = deep(self.deep(skip).relu())
        x = self.up(x, output_size=skip.shape[-2:])
        x = up(x.relu()) + skip
        return head(self.head(x).relu())


class FullyConnectedGenerator(nn.Module):
    r"""Every region reads the whole map with weights of its own, :math:`\hat m_{i,t} = g_i(f(X_t))` (DyReg-GNN, eq. 2).

    Maps of another size are average-pooled to ``size`` first, as in the released code.

    Args:
        channels: channels of the feature map.
        num_nodes: number of regions :math:`N`.
        size: height and width of the map trained on.
        out_channels: size of a region's vector.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, N, C')`
    """

    def __init__(self, channels: int, num_nodes: int, size: tuple[int, int], *, out_channels: int = 128) -> None:
        super().__init__()
        self.size = (size[0], size[1])
        self.num_nodes = num_nodes
        self.out_channels = out_channels
        self.saliency = HourGlass(channels, size)
        height, width = self.saliency.out_size
        self.linear = nn.Linear(HourGlass.out_channels * height * width, num_nodes * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        saliency = self.saliency(_at_size(x, self.size))
        return self.linear(saliency.flatten(1)).unflatten(1, (self.num_nodes, self.out_channels))


class PooledGenerator(nn.Module):
    r"""Every region collects positioned features from the pixels that choose it: DyReg-GNN-Lite.

    .. math::
        \hat m_i = W \sum_p s_{ip} \, (X_p + P e_p) + b, \qquad s_{\cdot p} = \mathrm{softmax}_i(a_i \cdot X_p)

    The softmax runs over the regions at each pixel [code], so that every pixel speaks mostly to one of them; :math:`e`
    is ``sinusoidal_positions``. A small fraction of the parameters of :class:`FullyConnectedGenerator`. Maps of
    another size are average-pooled to ``size`` first, as in the released code.

    Args:
        channels: channels of the feature map, a multiple of 4.
        num_nodes: number of regions :math:`N`.
        size: height and width of the map trained on.
        out_channels: size of a region's vector.

    Shapes:
        - **x:** :math:`(F, C, H, W)`
        - **output:** :math:`(F, N, C')`

    Example:
        >>> PooledGenerator(8, 9, (7, 7), out_channels=16)(torch.randn(2, 8, 7, 7)).shape
        torch.Size([2, 9, 16])
    """

    table: Tensor

    def __init__(self, channels: int, num_nodes: int, size: tuple[int, int], *, out_channels: int = 128) -> None:
        super().__init__()
        self.size = (size[0], size[1])
        self.out_channels = out_channels
        self.choose = nn.Conv2d(channels, num_nodes, 1)
        self.position = nn.Conv2d(channels, channels, 1)
        self.linear = nn.Linear(channels, out_channels)
        self.register_buffer("table", sinusoidal_positions(channels, size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = _at_size(x, self.size)
        share = self.choose(x).softmax(dim=1)  # [F, N, H, W]
        positioned = x + self.position(self.table[None])
        return self.linear(pool(positioned, share))


def sinusoidal_positions(channels: int, size: tuple[int, int]) -> Tensor:
    r"""Position of every pixel in sines and cosines: half of the channels by row, half by column [code].

    Channels :math:`2k` and :math:`2k + 1` of a half of :math:`D = C / 2` channels are :math:`\sin(t / \tau_k)` and
    :math:`\cos(t / \tau'_k)`, where :math:`t` runs from 0 to 1 over the map, :math:`\tau_k = 10000^{2k / D}` and
    :math:`\tau'_k = 10000^{(2k + 1) / D}`.

    Shapes:
        - **output:** :math:`(C, H, W)`
    """
    if channels < 4 or channels % 4 != 0:
        raise ValueError(
            f"Expected 'channels' in multiples of 4, a sine and a cosine for rows and for columns (got {channels}); "
            "project the map first (GraphBlock's node_channels)"
        )
    half = channels // 2
    period = 10000.0 ** (torch.arange(half, dtype=torch.float64) / half)

    def encode(n: int) -> Tensor:
        phase = torch.linspace(0, 1, n, dtype=torch.float64) / period[:, None]  # [D, n]
        return torch.stack([phase[0::2].sin(), phase[1::2].cos()], dim=1).flatten(0, 1)

    rows, columns = encode(size[0]), encode(size[1])
    table = torch.cat([rows[:, :, None].expand(-1, -1, size[1]), columns[:, None].expand(-1, size[0], -1)])
    return table.to(torch.get_default_dtype())


class LearnedVectors(nn.Module):
    """Vectors that do not look at the input at all: the regions of DyReg-GNN's "Static" model.

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


GENERATORS: dict[str, type[FullyConnectedGenerator] | type[PooledGenerator]] = {
    "fc": FullyConnectedGenerator,
    "pool": PooledGenerator,
}


def resolve_generator(
    name: str | None, channels: int, num_nodes: int, size: tuple[int, int], *, out_channels: int = 128
) -> FullyConnectedGenerator | PooledGenerator:
    """The generator called ``name``: ``"fc"`` (the main model's, also ``None``) or ``"pool"`` (DyReg-GNN-Lite's)."""
    name = "fc" if name is None else name
    check_option("generator", name, tuple(GENERATORS))
    return GENERATORS[name](channels, num_nodes, size, out_channels=out_channels)


def _at_size(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Average-pooled to the size trained on, unless it has it."""
    return x if x.shape[-2:] == size else F.adaptive_avg_pool2d(x, size)
