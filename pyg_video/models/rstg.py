"""RSTG as published: on a small convolutional net with its ablations, and in a ResNet-50 on video."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from .._checks import check_option, check_stages
from ..backbones import PlainCNN, StagedBackbone, insert_block
from ..graph_builders import GridGraph
from ..layers import (
    RSTG,
    ApplyToNodes,
    BatchNorm,
    ClipNorm,
    DenseSpaceConv,
    FrameNorm,
    GaussianPosition,
    GraphBlock,
    HomogeneousGraph,
    SpaceConv,
    TemporalRNN,
    ToVector,
    scaled,
)
from ..layers.space_parts import SpaceParts
from .classifier import VideoClassifier
from .digits import digit_backbone
from .heads import GraphHead, PoolHead, SumHead
from .registry import option_groups, options_of, register_model
from .resnets import resnet_backbone, second_to_last_block

_POSITION_SIZE = 6  # side of a node's heat map, as published
_SEES_THE_PAST = ("time_only", "one_temp", "all_temp", "positional_all_temp")  # in its last frame, by recurrence


@register_model
@option_groups(net=options_of(digit_backbone))
def rstg_sync_mnist(
    num_classes: int = 46,
    *,
    net: Mapping[str, Any],
    scales: tuple[int, ...] = (3, 2, 1),
    variant: str = "all_temp",
    num_iterations: int = 3,
    cell: str = "lstm",
    attention: str = "dot",
    positional: bool = False,
    update_layers: int = 2,
    norm: str = "batch",
    readout: str = "auto",
    backbone: str = "strided",
) -> VideoClassifier:
    """Recurrent Space-time Graph on grids of several scales (Nicolicioiu et al., NeurIPS 2019).

    Args:
        num_classes: number of classes.
        net: ``frame_size`` in pixels; ``channels`` and ``strides``, see :class:`~pyg_video.backbones.SmallCNN`.
        scales: rows (and columns) of each grid of nodes.
        variant: row of the paper's table: ``"all_temp"``, time stages before every space stage and at the end;
            ``"positional_all_temp"``, with the positions of the nodes in the messages; ``"one_temp"``, the time stage
            at the end alone; ``"space_only"``, no time stage; ``"time_only"``, no space stage;
            ``"homogeneous"``, space and time in one graph, see :class:`~pyg_video.layers.HomogeneousGraph`.
        num_iterations: space stages, each after its time stage if the variant has it; ``"time_only"`` has none.
        cell: ``"lstm"`` as published, or ``"gru"``, which learns faster from few clips.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"`` or ``"mean"``.
        positional: add the positions of the nodes to the messages, in any variant that has messages.
        update_layers: layers of the MLP that updates a node from its features and its messages; 2 as published, 0 adds
            the messages to the features.
        readout: nodes of the ``"last"`` frame, or their ``"mean"`` over frames. ``"auto"``: the mean for
            ``"space_only"`` and ``"homogeneous"``, where the last frame does not depend on the first one.
        norm: ``"batch"``, a batch norm of the nodes before the graph as in the released code for SyncMNIST;
            ``"frame"``, :class:`~pyg_video.layers.FrameNorm` there, of messages and of updated nodes; or ``"none"``.
        backbone: ``"strided"``, a :class:`~pyg_video.backbones.SmallCNN`; or ``"pooled"``, the released
            :class:`~pyg_video.backbones.PlainCNN`, which has no ``strides`` but halves the map in every stage.
    """
    check_option("norm", norm, ("none", "batch", "frame"))
    check_option("backbone", backbone, ("strided", "pooled"))
    if backbone == "pooled" and net["subtract_background"]:
        raise ValueError("Expected 'subtract_background' to be False with backbone='pooled' (got True); use 'strided'")
    cnn = (
        digit_backbone(**net)
        if backbone == "strided"
        else _pooled_backbone(net["in_channels"], net["frame_size"], net["channels"])
    )
    C = cnn.info[-1].channels
    positional = positional or variant == "positional_all_temp"
    if positional and variant == "time_only":
        raise ValueError("Expected 'positional' to be False (got True), since variant='time_only' has no messages")

    def space() -> SpaceParts:
        norms = {name: FrameNorm(C) for name in ("message_norm", "update_norm") if norm == "frame"}
        kind = SpaceConv if variant == "homogeneous" else DenseSpaceConv  # edges over time are in no frame's matrix
        positions = _POSITION_SIZE**2 if positional else 0
        return kind(C, attention=attention, update_layers=update_layers, position_channels=positions, **norms)

    before: list[nn.Module] = [GaussianPosition(_POSITION_SIZE)] if positional else []
    if norm != "none":
        before.append(ApplyToNodes(BatchNorm(C) if norm == "batch" else FrameNorm(C)))
    graph = _ablation(variant, space, partial(TemporalRNN, C, cell=cell), num_iterations)
    processor = nn.Sequential(*before, graph) if before else graph
    if readout == "auto":
        readout = "last" if variant in _SEES_THE_PAST else "mean"
    head = GraphHead(C, num_classes, GridGraph(C, scales=scales), processor, readout=ToVector(readout))
    return VideoClassifier(cnn, head)


def _pooled_backbone(in_channels: int, frame_size: int, channels: tuple[int, ...]) -> PlainCNN:
    side = frame_size
    for _ in channels:
        side = (side - 2) // 2
    if side < 1:
        raise ValueError(
            f"Expected a 'frame_size' that {len(channels)} pooled stages leave something of (got {frame_size})"
        )
    return PlainCNN(in_channels, channels)


def _ablation(
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


@register_model
def rstg_resnet50(
    num_classes: int = 174,
    *,
    backbone: str = "i3d",
    stages: tuple[str, ...] = ("layer2", "layer3"),
    vector: str = "none",
    scales: tuple[int, ...] = (3, 2, 1),
    node_channels: int = 512,
    num_iterations: int = 3,
    attention: str = "dot",
    scalewise: bool = True,
    last_stride: int = 1,
    residual_scale: float = 0.0,
    dropout: float = 0.3,
    weights: str = "",
) -> VideoClassifier:
    """Recurrent Space-time Graphs in a ResNet-50 on video (Nicolicioiu et al., NeurIPS 2019, section 4.2).

    RSTG-to-map is a residual block behind the last residual block but one of a stage: nodes on grids, projected to
    ``node_channels``, all time stages, projected back, lifted, normalised over the clip with a scale that starts at
    zero. RSTG-to-vec reads the last feature map: the graph's vector joins the pooled features, or replaces them.

    Args:
        num_classes: number of classes.
        backbone: ``"i3d"`` or ``"c2d"``, see :func:`video_resnet`.
        stages: layers with an RSTG-to-map: ``("layer2", "layer3")`` is the paper's res3-4; ``()`` for none.
        vector: RSTG-to-vec on the last map: ``"plus"`` the pooled features as published, ``"serial"`` instead of them,
            or ``"none"``.
        scales: rows (and columns) of each grid of nodes.
        node_channels: channels of the graph.
        num_iterations: iterations of time and space.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"`` or ``"mean"``.
        scalewise: update nodes with weights of their own for every scale.
        last_stride: stride of the last stage; 1 in the released code, which keeps its map as large as the one before.
        residual_scale: first value of the scale of the graphs' norms.
        dropout: of what the classifier sees.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
    """
    check_option("backbone", backbone, ("i3d", "c2d"))
    check_option("vector", vector, ("none", "plus", "serial"))
    check_option("last_stride", last_stride, (1, 2))
    net = resnet_backbone(backbone, weights=weights)
    layers = {stage.name: stage.channels for stage in net.info[1:]}
    check_stages(stages, tuple(layers))
    if last_stride == 1:
        _keep_size(net)

    def graph(channels: int) -> tuple[GridGraph, nn.Sequential]:
        builder = GridGraph(channels, scales=scales)
        groups = builder.nodes_per_scale if scalewise else None
        return builder, _processor(channels, node_channels, num_iterations, attention, groups)

    for layer in stages:
        C = layers[layer]
        norm = scaled(nn.GroupNorm(1, C), residual_scale)  # over whole clips [code]
        insert_block(net, second_to_last_block(net, layer), GraphBlock(C, *graph(C), norm=norm))
    C = net.info[-1].channels
    head: nn.Module
    if vector == "none":
        head = PoolHead(C, num_classes, dropout=dropout)
    elif vector == "plus":
        head = SumHead(C, num_classes, *graph(C), dropout=dropout, residual_scale=residual_scale)
    else:
        head = GraphHead(C, num_classes, *graph(C), readout=nn.Sequential(ToVector("mean"), nn.Dropout(dropout)))
    return VideoClassifier(net, head)


def _processor(
    channels: int, width: int, num_iterations: int, attention: str, groups: tuple[int, ...] | None
) -> nn.Sequential:
    """The released graph: layer norms of nodes, messages and updates, between projections of the nodes."""
    space = DenseSpaceConv(
        width, attention=attention, update_groups=groups, message_norm=FrameNorm(width), update_norm=FrameNorm(width)
    )
    time, final_time = TemporalRNN(width, cell="lstm"), TemporalRNN(width, cell="lstm")
    rstg = RSTG(space, time, final_time, num_iterations=num_iterations, norm=ClipNorm(width))
    return nn.Sequential(ApplyToNodes(nn.Linear(channels, width)), rstg, ApplyToNodes(nn.Linear(width, channels)))


def _keep_size(backbone: StagedBackbone) -> None:
    """Take the stride out of the last stage."""
    for part in backbone.stages["layer4"].modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d)):
            part.stride = (1,) * len(part.stride)
    *before, last = backbone.info
    backbone.info = (*before, last._replace(stride=before[-1].stride))
