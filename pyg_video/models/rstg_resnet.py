"""RSTG in C2D and I3D, as in the paper's experiments on Something-Something, by name."""

from torch import nn

from .._checks import check_option
from ..backbones import StagedBackbone, c2d_resnet, i3d_resnet, insert_block
from ..graph_builders import GridGraph
from ..layers import RSTG, ApplyToNodes, ClipNorm, FrameNorm, GraphBlock, SpaceConv, TemporalRNN, ToVector, scaled
from .classifier import VideoClassifier
from .heads import GraphHead, PoolHead, SumHead
from .registry import register_model

RES_PLACES = {2: "layer1.1", 3: "layer2.2", 4: "layer3.4"}  # the last residual block but one, as released


@register_model
def rstg_resnet50(
    num_classes: int = 174,
    *,
    backbone: str = "i3d",
    stages: tuple[int, ...] = (3, 4),
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
        backbone: ``"i3d"`` or ``"c2d"``.
        stages: stages with an RSTG-to-map, by the papers' numbers: ``(3, 4)`` for res3-4; ``()`` for none.
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
    if len(set(stages)) != len(stages) or not set(stages) <= set(RES_PLACES):
        raise ValueError(f"Expected 'stages' out of 2, 3 and 4, each once (got {stages})")
    net = (i3d_resnet if backbone == "i3d" else c2d_resnet)(50, weights=weights or None)
    if last_stride == 1:
        _keep_size(net)

    def graph(channels: int) -> tuple[GridGraph, nn.Sequential]:
        builder = GridGraph(channels, scales=scales)
        groups = builder.nodes_per_scale if scalewise else None
        return builder, _processor(channels, node_channels, num_iterations, attention, groups)

    for stage in stages:
        C = 64 * 2**stage
        norm = scaled(nn.GroupNorm(1, C), residual_scale)  # over whole clips [code]
        block = GraphBlock(C, *graph(C), norm=norm)
        insert_block(net, RES_PLACES[stage], block)
    C = net.info[-1].channels
    head: nn.Module
    if vector == "none":
        head = PoolHead(C, num_classes, dropout=dropout)
    elif vector == "plus":
        head = SumHead(C, num_classes, *graph(C), dropout=dropout, residual_scale=residual_scale)
    else:
        readout = nn.Sequential(ToVector("mean"), nn.Dropout(dropout))
        head = GraphHead(C, num_classes, *graph(C), readout=readout)
    return VideoClassifier(net, head)


def _processor(
    channels: int, width: int, num_iterations: int, attention: str, groups: tuple[int, ...] | None
) -> nn.Sequential:
    """The released graph: layer norms of nodes, messages and updates, between projections of the nodes."""
    space = SpaceConv(
        width,
        attention=attention,
        update_groups=groups,
        message_norm=FrameNorm(width),
        update_norm=FrameNorm(width),
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
