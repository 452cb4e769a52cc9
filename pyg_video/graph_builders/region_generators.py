"""From a feature map to one latent vector a region: how DyReg-GNN looks for salient regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HourGlass(nn.Module):
    """A small convolutional hour-glass that highlights salient places, :math:`M_t = f(X_t)` (DyReg-GNN, eq. 1).

    Layer sizes and strides are those of the released code: wide maps are halved once or twice on the way down. Every
    convolution is followed by ReLU and a layer normalisation over :math:`(C, H, W)`, affine per channel.

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
            raise ValueError(f"Expected a map of at least 3 x 3 pixels (got {size[0]} x {size[1]})")
        first = 2 if smallest > 10 else 1
        stride, padding = (2, 0) if smallest > 20 else (1, 1)
        self.reduce = nn.Conv2d(channels, 32, 1)
        self.down = nn.Conv2d(32, 32, 3, stride=first)
        self.deep = nn.Conv2d(32, 16, 3, stride=stride, padding=padding)
        self.up = nn.ConvTranspose2d(16, 32, 3, stride=stride, padding=padding)
        self.head = nn.Conv2d(32, 16, 3, stride=stride, padding=padding)
        self.norms = nn.ModuleList([nn.GroupNorm(1, c) for c in (32, 32, 16, 32, 16)])
        self.stride, self.padding = stride, padding
        middle = [(n - 3) // first + 1 for n in size]
        self.out_size = tuple((n + 2 * padding - 3) // stride + 1 for n in middle)

    def forward(self, x: Tensor) -> Tensor:
        reduce, down, deep, up, head = self.norms
        x = reduce(self.reduce(x).relu())
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
        if x.shape[-2:] != self.size:
            x = F.adaptive_avg_pool2d(x, self.size)
        return self.linear(self.saliency(x).flatten(1)).unflatten(1, (self.num_nodes, self.out_channels))


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
