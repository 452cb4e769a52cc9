"""The block of DyReg-GNN's experiments, for each of the paper's ways to make nodes."""

from torch import nn

from ..graph_builders import resolve_builder
from ..graph_builders.resolve import REGION_BUILDERS
from ..layers import GraphBlock, KernelEmbedding
from .dyreg import dyreg_processor


def dyreg_block(
    channels: int,
    size: tuple[int, int],
    *,
    builder: str = "dyreg",
    node_channels: int | None = None,
    region_channels: int = 128,
    num_iterations: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    residual_scale: float = 0.0,
) -> GraphBlock:
    """Nine nodes (``"grid"``: 14), the graph of DyReg-GNN's released models, and the way back, as a residual block.

    Args:
        channels: channels of the feature map.
        size: height and width of the map trained on.
        builder: how nodes are made, see :func:`~pyg_video.graph_builders.resolve_builder`. The paper has (tables 5, 6)
            ``"fixed"`` on a grid, ``"semantic"`` attention, ``"static"`` regions of the data set, ``"constant_time"``
            regions of the clip, ``"position_only"`` regions of a fixed size, ``"dyreg_lite"``, ``"dyreg"``, and the
            ``"box"`` of a detector.
        node_channels: channels of the graph, projected to and back; ``None`` for those of the map.
        region_channels: size of the vectors that decide the regions.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        residual_scale: first value of the scale of the block's norm.
    """
    width = node_channels or channels
    options = (
        {"region_channels": region_channels, "anchors": anchors, "gain": gain} if builder in REGION_BUILDERS else {}
    )
    nodes = resolve_builder(builder, width, None, size=size, **options)
    processor = nn.Sequential(KernelEmbedding(width, size), dyreg_processor(width, num_iterations))
    return GraphBlock(channels, nodes, processor, node_channels=node_channels, residual_scale=residual_scale)
