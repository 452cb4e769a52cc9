"""RSTG as published for SyncMNIST: convolutions, nodes on grids, one vector a clip; and its ablations."""

from collections.abc import Callable

from torch import nn

from .._checks import check_option
from ..backbones import PlainCNN, VideoBackbone
from ..graph_builders import GridGraph
from ..layers import (
    RSTG,
    ApplyToNodes,
    BatchNorm,
    FrameNorm,
    GaussianPosition,
    HomogeneousGraph,
    SpaceConv,
    TemporalRNN,
    ToVector,
)
from .classifier import VideoClassifier
from .digits import digit_backbone
from .heads import GraphHead
from .registry import register_model

_POSITION_SIZE = 6  # side of a node's heat map, as published
_SEES_THE_PAST = ("time_only", "one_temp", "all_temp", "positional_all_temp")  # in its last frame, by recurrence


@register_model
def rstg_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    scales: tuple[int, ...] = (3, 2, 1),
    variant: str = "all_temp",
    num_iterations: int = 3,
    cell: str = "lstm",
    attention: str = "dot",
    positional: bool = False,
    norm: str = "batch",
    readout: str = "auto",
    backbone: str = "strided",
) -> VideoClassifier:
    """Recurrent Space-time Graph on grids of several scales (Nicolicioiu et al., NeurIPS 2019).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage of the backbone; nodes have those of the last.
        strides: stride of each stage of the backbone.
        scales: rows (and columns) of each grid of nodes.
        variant: row of the paper's table: ``"all_temp"``, time stages before every space stage and at the end;
            ``"positional_all_temp"``, in which the messages also see where the nodes are; ``"one_temp"``, the time
            stage at the end alone; ``"space_only"``, no time stage; ``"time_only"``, no space stage;
            ``"homogeneous"``, space and time in one graph, see :class:`~pyg_video.layers.HomogeneousGraph`.
        num_iterations: space stages, each after its time stage if the variant has it; ``"time_only"`` has none.
        cell: ``"lstm"`` as published, or ``"gru"``, which learns faster from few clips.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"`` or ``"mean"``.
        positional: let the messages see where the nodes are, in any variant that has messages.
        readout: nodes of the ``"last"`` frame, or their ``"mean"`` over frames. ``"auto"``: the mean for
            ``"space_only"`` and ``"homogeneous"``, where the last frame has not heard of the first one.
        norm: ``"batch"``, a batch norm of the nodes before the graph as in the released code for SyncMNIST;
            ``"frame"``, :class:`~pyg_video.layers.FrameNorm` there, of messages and of updated nodes; or ``"none"``.
        backbone: ``"strided"``, a :class:`~pyg_video.backbones.SmallCNN`; or ``"pooled"``, the released
            :class:`~pyg_video.backbones.PlainCNN`, which has no ``strides`` but halves the map in every stage.
    """
    check_option("norm", norm, ("none", "batch", "frame"))
    check_option("backbone", backbone, ("strided", "pooled"))
    strided = backbone == "strided"
    net: VideoBackbone = (
        digit_backbone(frame_size, channels, strides) if strided else _pooled_backbone(frame_size, channels)
    )
    C = channels[-1]
    positional = positional or variant == "positional_all_temp"
    if positional and variant == "time_only":
        raise ValueError("Expected 'positional' to be False (got True), since variant='time_only' has no messages")

    def space() -> SpaceConv:
        return SpaceConv(
            C,
            attention=attention,
            position_channels=_POSITION_SIZE**2 if positional else 0,
            message_norm=FrameNorm(C) if norm == "frame" else None,
            update_norm=FrameNorm(C) if norm == "frame" else None,
        )

    def time() -> TemporalRNN:
        return TemporalRNN(C, cell=cell)

    before: list[nn.Module] = [GaussianPosition(_POSITION_SIZE)] if positional else []
    if norm != "none":
        before.append(ApplyToNodes(BatchNorm(C) if norm == "batch" else FrameNorm(C)))
    graph = _processor(variant, space, time, num_iterations)
    processor = nn.Sequential(*before, graph) if before else graph
    if readout == "auto":
        readout = "last" if variant in _SEES_THE_PAST else "mean"
    head = GraphHead(C, num_classes, GridGraph(C, scales=scales), processor, readout=ToVector(readout))
    return VideoClassifier(net, head)


def _pooled_backbone(frame_size: int, channels: tuple[int, ...]) -> PlainCNN:
    side = frame_size
    for _ in channels:
        side = (side - 2) // 2
    if side < 1:
        raise ValueError(
            f"Expected a 'frame_size' that {len(channels)} pooled stages leave something of (got {frame_size})"
        )
    return PlainCNN(1, channels)


def _processor(
    variant: str, space: Callable[[], nn.Module], time: Callable[[], nn.Module], num_iterations: int
) -> nn.Module:
    """The paper's table: which parts each row keeps."""
    off = nn.Identity
    rows: dict[str, Callable[[], nn.Module]] = {
        "space_only": lambda: RSTG(space(), off(), off(), num_iterations=num_iterations),
        "time_only": lambda: RSTG(off(), off(), time(), num_iterations=0),
        "homogeneous": lambda: HomogeneousGraph(space(), num_iterations=num_iterations),
        "one_temp": lambda: RSTG(space(), off(), time(), num_iterations=num_iterations),
        "all_temp": lambda: RSTG(space(), time(), time(), num_iterations=num_iterations),
        "positional_all_temp": lambda: RSTG(space(), time(), time(), num_iterations=num_iterations),
    }
    check_option("variant", variant, tuple(rows))
    return rows[variant]()
