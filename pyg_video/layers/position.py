"""Position encodings of nodes."""

import torch
from torch import Tensor, nn

from ..data import VideoGraph
from ..data.padding import pad
from ..functional import box_edges
from .map_size import MapSizeModule


class KernelEmbedding(MapSizeModule):
    r"""Add a linear projection of every node's kernel to its features (DyReg-GNN, section 3.2).

    .. math:: v_i' = v_i + W \, \mathrm{vec}(A_i) + b

    Kernels of another size are average-pooled to ``size``, as in the released code.

    Args:
        channels: number of channels of the nodes.
        size: height and width of the map; by default those of the first graph's kernels.

    Shapes:
        - **graph:** node features :math:`(V, C)` and ``kernel`` :math:`(V, H, W)`
        - **output:** the same graph with other node features

    Raises:
        ValueError: without ``size``, the first graph's kernels do not fit weights that were loaded before.
    """

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.add_linear(size, channels)

    def num_inputs(self, size: tuple[int, int]) -> int:
        return size[0] * size[1]

    def reset_parameters(self) -> None:
        self.linear.reset_parameters()

    def forward(self, graph: VideoGraph) -> VideoGraph:
        kernel = self.at_size(graph.need("kernel")).flatten(1)
        return graph.with_x(graph.x + self.linear(kernel.to(self.linear.weight.dtype)))


class GaussianPosition(nn.Module):
    r"""Encode the position of every node as a Gaussian heat map centred on its region (RSTG, section 3.2).

    Inside the node's box, and zero outside [code]:

    .. math:: p_i(q) = \exp\left(-\frac{\lVert q - c_i \rVert^2}{2 \sigma^2}\right)

    The heat map goes to the graph as ``position``; use it with ``SpaceConv(position_channels=size ** 2)``.

    Args:
        size: height and width of the heat map.
        std: standard deviation in pixels of the heat map.

    Shapes:
        - **graph:** ``box`` :math:`(V, 4)`
        - **output:** the same graph with ``position`` :math:`(V, size^2)`
    """

    def __init__(self, size: int = 6, std: float = 2.0) -> None:
        super().__init__()
        if size < 1 or std <= 0:
            raise ValueError(f"Expected 'size' of at least 1 and 'std' above 0 (got {size} and {std})")
        self.size = size
        self.std = std

    def forward(self, graph: VideoGraph) -> VideoGraph:
        box = graph.need("box")
        q = (torch.arange(self.size, dtype=box.dtype, device=box.device) + 0.5) / self.size
        left, top, right, bottom = (edge[:, None] for edge in box_edges(box))
        gauss_x = self._axis(q, box[:, :1], left, right)
        gauss_y = self._axis(q, box[:, 1:2], top, bottom)
        return graph.with_attr(position=(gauss_y[:, :, None] * gauss_x[:, None, :]).flatten(1))

    def _axis(self, q: Tensor, center: Tensor, low: Tensor, high: Tensor) -> Tensor:
        distance = (q - center) * self.size
        return torch.exp(-distance.square() / (2 * self.std**2)) * ((q > low) & (q < high))

    def extra_repr(self) -> str:
        return f"size={self.size}, std={self.std}"


class TablePosition(nn.Module):
    """Position encodings from a fixed table, the same in all frames.

    For encodings that no formula of this package computes, such as those of a published checkpoint. Not trained.

    Args:
        table: encoding of every node of a frame, :math:`(N, D)`.

    Shapes:
        - **graph:** frames of :math:`N` nodes
        - **output:** the same graph with ``position`` :math:`(V, D)`
    """

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        if table.dim() != 2:
            raise ValueError(f"Expected 'table' of shape [N, D] (got {list(table.shape)})")
        self.register_buffer("table", table.detach().clone())

    def forward(self, graph: VideoGraph) -> VideoGraph:
        clips, place = pad(graph)
        N = clips.frame_layout[1]
        if self.table.size(0) != N:
            raise ValueError(f"Expected frames of {self.table.size(0)} nodes, as the table has (got {N})")
        position = self.table.repeat(clips.node_frames.total, 1)
        return graph.with_attr(position=position if place is None else position[place])

    def extra_repr(self) -> str:
        return f"{self.table.size(0)}, {self.table.size(1)}"
