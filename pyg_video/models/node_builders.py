"""One model, any way to make its nodes: the comparison of DyReg-GNN, and beyond."""

from torch import nn

from .._checks import check_option, rows_and_columns
from ..graph_builders import CONNECT, REGION_BUILDERS, resolve_builder
from ..layers import GraphBlock, KernelEmbedding, ToVector
from .classifier import Option, VideoClassifier
from .digits import digit_backbone
from .dyreg import dyreg_processor
from .heads import GraphHead, PoolHead
from .registry import register_model


@register_model
def graph_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    builder: str = "dyreg",
    connect: str = "default",
    output: str = "vector",
    num_iterations: int = 3,
    arrangement: tuple[int, ...] = (3, 3),
    region_channels: int = 128,
    anchors: str = "grid",
    gain: float = 0.3,
    readout: str = "last",
    residual_scale: float = 0.0,
) -> VideoClassifier:
    """The backbone and the recurrent graph of ``dyreg_gnn_sync_mnist`` behind any builder.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage of the backbone; nodes have those of the last.
        strides: stride of each stage of the backbone.
        builder: how nodes are made, see :func:`~pyg_video.graph_builders.resolve_builder`. ``"box"`` takes the boxes of
            the data.
        connect: ``"default"``, the builder's own edges, or ``"complete"``, ``"overlap"``, ``"knn"``, ``"attention"``.
        output: ``"vector"``: the nodes decide the class; ``"map"``: they go back onto the last feature map.
        num_iterations: iterations of time and space.
        arrangement: rows and columns of regions, or their product nodes; ``"grid"`` keeps its pyramid of 14 nodes.
        region_channels: size of the vectors that decide the regions of DyReg-GNN.
        anchors: these start at the ``"center"`` or on a ``"grid"``.
        gain: first value of their gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: with ``output="map"``, see :class:`~pyg_video.layers.GraphBlock`.
    """
    check_option("output", output, ("vector", "map"))
    check_option("connect", connect, ("default", *CONNECT))
    num_nodes = rows_and_columns(arrangement, "arrangement")
    backbone = digit_backbone(frame_size, channels, strides)
    last = backbone.info[-1]
    C, size = last.channels, (-(-frame_size // last.stride),) * 2
    options: dict[str, Option] = {} if connect == "default" else {"connect": connect}
    if builder in REGION_BUILDERS:
        options |= {"region_channels": region_channels, "anchors": anchors, "gain": gain}
    nodes = resolve_builder(builder, C, None if builder == "grid" else num_nodes, size=size, **options)
    processor = nn.Sequential(KernelEmbedding(C, size), dyreg_processor(C, num_iterations))
    if output == "vector":
        head = GraphHead(C, num_classes, nodes, processor, readout=ToVector(readout))
        return VideoClassifier(backbone, head)
    block = GraphBlock(C, nodes, processor, residual_scale=residual_scale)
    return VideoClassifier(backbone, PoolHead(C, num_classes, readout=readout), blocks={last.name: block})
