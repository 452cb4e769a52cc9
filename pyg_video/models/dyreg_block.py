"""The graph of DyReg-GNN as a residual block, with any of the paper's ways to make nodes."""

from torch import nn

from .._checks import check_option, rows_and_columns
from ..graph_builders import CONNECT, REGION_BUILDERS, resolve_builder
from ..layers import RSTG, DenseSpaceConv, FrameNorm, GraphBlock, KernelEmbedding, MotionEdges, TemporalRNN
from .classifier import Option


def dyreg_block(
    channels: int,
    size: tuple[int, int],
    *,
    builder: str = "dyreg",
    arrangement: tuple[int, ...] = (3, 3),
    connect: str = "default",
    node_channels: int | None = None,
    num_iterations: int = 3,
    region_channels: int = 128,
    anchors: str = "center",
    gain: float = 0.0,
    adapt: str = "frame",
    region_size: str = "learned",
    extent: float = 0.0,
    threshold: float = 0.0,
    track: bool = False,
    motion: bool = False,
    residual_scale: float = 0.0,
) -> GraphBlock:
    """Nodes, position embeddings and the recurrent graph of DyReg-GNN's released models in a residual block.

    Args:
        channels: channels of the feature map.
        size: height and width of the map in training.
        builder: how nodes are made, see :func:`~pyg_video.graph_builders.resolve_builder`. The paper compares (tables
            5 and 6) ``"fixed"`` on a grid, ``"semantic"`` attention, ``"static"`` regions of the data set,
            ``"constant_time"`` regions of the clip, ``"position_only"`` regions of a fixed size, ``"dyreg_lite"``,
            ``"dyreg"``, and the ``"box"`` of a detector.
        arrangement: rows and columns of regions; other builders make as many nodes, ``"grid"`` makes its pyramid of 14.
        connect: ``"default"``, the builder's own edges, or ``"complete"``, ``"overlap"``, ``"knn"``, ``"attention"``.
        node_channels: channels of the graph, with projections to and from it; ``None`` for those of the map.
        num_iterations: iterations of time and space.
        region_channels: size of the vectors that regions are predicted from.
        anchors: regions start at the ``"center"``, on a ``"grid"``, or on what is ``"salient"`` near the grid's points.
        gain: initial gain of the regions, see :class:`~pyg_video.graph_builders.RegionGraph`.
        adapt: regions for every ``"frame"``, every ``"clip"`` or the whole ``"dataset"``, for ``builder="dyreg"``.
        region_size: ``"learned"`` or ``"fixed"``, for ``builder="dyreg"``.
        extent: first width and height of regions, see :class:`~pyg_video.graph_builders.RegionGraph`; with
            ``builder="saliency"`` their width and height.
        threshold: for ``builder="saliency"``: points that stand out less are missing.
        track: number nodes by what they follow, see :class:`~pyg_video.graph_builders.TrackNodes`.
        motion: tell messages how much alike their two nodes move, see :class:`~pyg_video.layers.MotionEdges`.
        residual_scale: initial scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    check_option("connect", connect, ("default", *CONNECT))
    if threshold and builder != "saliency":
        raise ValueError(f"Expected 'threshold' with builder='saliency' alone (got {threshold} with '{builder}')")
    if extent and builder not in (*REGION_BUILDERS, "saliency"):
        raise ValueError(f"Expected 'extent' with builders of regions or 'saliency' (got {extent} with '{builder}')")
    options: dict[str, Option] = {} if connect == "default" else {"connect": connect}
    if builder in REGION_BUILDERS:
        options |= {"region_channels": region_channels, "anchors": anchors, "gain": gain, "extent": extent}
    if builder == "saliency":
        options |= {"threshold": threshold} | ({"extent": extent} if extent else {})
    if track:
        options["track"] = True
    if builder == "dyreg":
        options |= {"adapt": adapt, "region_size": region_size}
    elif (adapt, region_size) != ("frame", "learned"):
        raise ValueError(
            f"Expected 'adapt' and 'region_size' to be 'frame' and 'learned' with builder='{builder}' "
            f"(got '{adapt}' and '{region_size}'); use builder='dyreg'"
        )
    width = node_channels or channels
    num_nodes = rows_and_columns(arrangement, "arrangement")
    nodes = resolve_builder(builder, width, None if builder == "grid" else num_nodes, size=size, **options)
    edges = MotionEdges() if motion else None
    graph = dyreg_processor(width, num_iterations, complete=nodes.complete, edge_dim=len(edges.widths) if edges else 0)
    processor = nn.Sequential(*([edges] if edges else []), KernelEmbedding(width, size), graph)
    return GraphBlock(channels, nodes, processor, node_channels=node_channels, residual_scale=residual_scale)


def dyreg_processor(channels: int, num_iterations: int = 3, *, complete: bool = False, edge_dim: int = 0) -> RSTG:
    """The recurrent graph of DyReg-GNN's released models: messages from sums, no update MLP, norms, GRUs."""
    space = DenseSpaceConv(
        channels,
        complete=complete,
        combine="sum",
        send_layers=1,
        update_layers=0,
        edge_dim=edge_dim,
        message_norm=FrameNorm(channels),
        update_norm=FrameNorm(channels),
    )
    norm = FrameNorm(channels)
    return RSTG(space, TemporalRNN(channels), TemporalRNN(channels), num_iterations=num_iterations, norm=norm)
