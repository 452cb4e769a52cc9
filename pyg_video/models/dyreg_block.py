"""The block of DyReg-GNN's experiments, for each of the paper's ways to make nodes."""

from collections.abc import Callable

from torch import nn

from ..functional import check_option, complete_edges
from ..graph_builders import GraphBuilder, GridGraph, RegionGraph
from ..layers import GraphBlock, KernelEmbedding
from .dyreg import dyreg_processor

_ROWS = 3  # of nodes, and columns

_BUILDERS: dict[str, Callable[..., GraphBuilder]] = {
    "fixed": lambda channels, **_: GridGraph(channels, (_ROWS,), edge_index=complete_edges(_ROWS**2)),
    "static": lambda channels, **options: RegionGraph(channels, adapt="dataset", **options),
    "ct_time": lambda channels, **options: RegionGraph(channels, adapt="clip", **options),
    "position_only": lambda channels, **options: RegionGraph(channels, region_size="fixed", **options),
    "lite": lambda channels, **options: RegionGraph(channels, generator="pool", **options),
    "dyreg": lambda channels, **options: RegionGraph(channels, **options),
}

NODES = tuple(_BUILDERS)


def dyreg_block(
    channels: int,
    size: tuple[int, int],
    *,
    nodes: str = "dyreg",
    node_channels: int | None = None,
    region_channels: int = 128,
    num_stages: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    residual_scale: float = 0.0,
) -> GraphBlock:
    """Nine nodes, the graph of DyReg-GNN's released models, and the way back, as a residual block.

    Args:
        channels: channels of the feature map.
        size: height and width of the map trained on.
        nodes: how the paper's models make nodes (tables 5 and 6): ``"fixed"`` on a grid, ``"static"`` regions of the
            data set, ``"ct_time"`` regions of the clip, ``"position_only"`` regions of a fixed size, ``"lite"`` with
            the lighter generator, or ``"dyreg"``.
        node_channels: channels of the graph, projected to and back; ``None`` for those of the map.
        region_channels: size of the vectors that decide the regions.
        num_stages: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        residual_scale: first value of the scale of the block's norm.
    """
    check_option("nodes", nodes, NODES)
    width = node_channels or channels
    options = {"size": size, "arrangement": (_ROWS, _ROWS), "anchors": anchors, "gain": gain}
    builder = _BUILDERS[nodes](width, region_channels=region_channels, **options)
    processor = nn.Sequential(KernelEmbedding(width, size), dyreg_processor(width, num_stages))
    return GraphBlock(builder, processor, channels=channels, node_channels=node_channels, residual_scale=residual_scale)
