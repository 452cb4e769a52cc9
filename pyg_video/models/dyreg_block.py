"""The graph of DyReg-GNN as a residual block, with any of the paper's ways to make nodes."""

from torch import nn

from .._checks import check_option, rows_and_columns
from ..graph_builders import CONNECT, REGION_BUILDERS, resolve_builder
from ..layers import RSTG, DenseSpaceConv, FrameNorm, GraphBlock, KernelEmbedding, MotionEdges, TemporalRNN
from .classifier import Option

_TAKEN_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("region_channels", "anchors", "gain"), REGION_BUILDERS),
    **dict.fromkeys(("adapt", "region_size"), ("dyreg",)),
    "extent": (*REGION_BUILDERS, "saliency"),
    "threshold": ("saliency",),
}
"""The builders that an option is for."""


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
    given: dict[str, Option] = {"region_channels": region_channels, "anchors": anchors, "gain": gain, "adapt": adapt}
    given |= {"region_size": region_size, "extent": extent, "threshold": threshold}
    options = _builder_options(builder, given) | ({} if connect == "default" else {"connect": connect})
    if track:
        options["track"] = True
    width = node_channels or channels
    num_nodes = rows_and_columns(arrangement, "arrangement")
    nodes = resolve_builder(builder, width, None if builder == "grid" else num_nodes, size=size, **options)
    edges = MotionEdges() if motion else None
    graph = dyreg_processor(width, num_iterations, complete=nodes.complete, edge_dim=len(edges.widths) if edges else 0)
    processor = nn.Sequential(*([edges] if edges else []), KernelEmbedding(width, size), graph)
    return GraphBlock(channels, nodes, processor, node_channels=node_channels, residual_scale=residual_scale)


def _builder_options(builder: str, given: dict[str, Option]) -> dict[str, Option]:
    """The options that a builder takes; those that it would ignore are refused, unless they are defaults of models."""
    defaults = dyreg_block.__kwdefaults__ or {}
    for name in ("adapt", "region_size", "extent", "threshold"):
        if builder not in _TAKEN_BY[name] and given[name] != defaults[name]:
            others = " or ".join(map(repr, _TAKEN_BY[name]))
            raise ValueError(
                f"Expected '{name}' to be {defaults[name]!r} with builder='{builder}' (got {given[name]!r}); use "
                f"builder={others}"
            )
    options = {name: value for name, value in given.items() if builder in _TAKEN_BY[name]}
    if builder == "saliency" and not given["extent"]:
        del options["extent"]  # for its own
    return options


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
