"""DyReg-GNN's graphs in small convolutional nets, in ResNets and on features made elsewhere."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from .._checks import check_option, check_stages
from ..backbones import Stage, StagedBackbone, insert_block, resnet
from ..layers import GraphBlock, ToVector
from .classifier import VideoClassifier
from .digits import digit_backbone
from .dyreg_block import dyreg_block
from .heads import GraphHead, PoolHead
from .registry import register_model, register_variant
from .resnets import resnet_backbone, second_to_last_block

_WIDEST_GRAPH = 256  # channels; wider maps are projected to it, as released


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
    stages: tuple[str, ...] = (),
    num_iterations: int = 3,
    arrangement: tuple[int, ...] = (3, 3),
    region_channels: int = 128,
    anchors: str = "grid",
    gain: float = 0.3,
    adapt: str = "frame",
    region_size: str = "learned",
    readout: str = "last",
    residual_scale: float = 0.0,
) -> VideoClassifier:
    """The graph of DyReg-GNN (Duta et al., NeurIPS 2021), with nodes made by any builder, on a small convolutional net.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        channels: channels of each stage of the backbone; nodes have those of their stage.
        strides: stride of each stage of the backbone.
        builder: how nodes are made, see :func:`dyreg_block`. ``"box"`` takes the boxes of the data.
        connect: ``"default"``, the builder's own edges, or ``"complete"``, ``"overlap"``, ``"knn"``, ``"attention"``.
        output: ``"vector"``: the sum of the nodes decides the class, on the last stage (RSTG-to-vec); ``"map"``: the
            nodes go back onto the feature map, as a block inside the backbone (DyReg-GNN).
        stages: stages that a block follows, such as ``("stage2", "stage3")``; ``()`` for the last one.
        num_iterations: iterations of time and space.
        arrangement: rows and columns of regions; other builders make as many nodes.
        region_channels: size of the vectors that regions are predicted from.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: initial gain of the regions, see :class:`~pyg_video.graph_builders.RegionGraph`.
        adapt: regions for every ``"frame"``, every ``"clip"`` or the whole ``"dataset"``, for ``builder="dyreg"``.
        region_size: ``"learned"`` or ``"fixed"``, for ``builder="dyreg"``.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: initial scale of the blocks' norms, see :class:`~pyg_video.layers.GraphBlock`.
    """
    check_option("output", output, ("vector", "map"))
    backbone = digit_backbone(frame_size, channels, strides)
    last = (backbone.info[-1].name,)
    if output == "vector" and stages not in ((), last):
        raise ValueError(f"Expected 'stages' to be () or {last} with output='vector' (got {stages}); use output='map'")
    block = partial(
        dyreg_block,
        builder=builder,
        connect=connect,
        num_iterations=num_iterations,
        arrangement=arrangement,
        region_channels=region_channels,
        anchors=anchors,
        gain=gain,
        adapt=adapt,
        region_size=region_size,
        residual_scale=residual_scale,
    )
    blocks = _blocks(backbone, stages or last, frame_size, block)
    C = channels[-1]
    if output == "vector":
        (graph,) = blocks.values()
        head = GraphHead(C, num_classes, graph.builder, graph.processor, readout=ToVector(readout))
        return VideoClassifier(backbone, head)
    return VideoClassifier(backbone, PoolHead(C, num_classes, readout=readout), blocks=blocks)


dyreg_gnn_sync_mnist = register_variant(
    "dyreg_gnn_sync_mnist", graph_sync_mnist, output="map", anchors="center", gain=0.0, readout="mean"
)


@register_model
def dyreg_gnn_multi_sync_mnist(
    num_classes: int = 56,
    *,
    frame_size: int = 128,
    builder: str = "dyreg",
    node_channels: int = 32,
    region_channels: int = 32,
    num_iterations: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    readout: str = "mean",
    residual_scale: float = 0.0,
) -> VideoClassifier:
    """A graph after ``"layer2"`` of a ResNet-18 cut after ``"layer3"``: DyReg-GNN's MultiSyncMNIST models.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        builder: how nodes are made, see :func:`dyreg_block`.
        node_channels: channels of the graph.
        region_channels: size of the vectors that regions are predicted from.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: initial gain of the regions, see :class:`~pyg_video.graph_builders.RegionGraph`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: initial scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    backbone = resnet(18, in_channels=1, num_stages=3)
    block = partial(
        dyreg_block,
        builder=builder,
        node_channels=node_channels,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    blocks = _blocks(backbone, ("layer2",), frame_size, block)
    head = PoolHead(backbone.info[-1].channels, num_classes, readout=readout)
    return VideoClassifier(backbone, head, blocks=blocks)


@register_model
def graph_on_features(
    num_classes: int = 46,
    *,
    in_channels: int = 768,
    frame_size: int = 7,
    builder: str = "dyreg",
    node_channels: int = 256,
    region_channels: int = 128,
    num_iterations: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    readout: str = "mean",
    residual_scale: float = 1.0,
) -> VideoClassifier:
    """One block of DyReg-GNN and a linear classifier on the feature maps of a frozen model, see ``docs/insertion.md``.

    Args:
        num_classes: number of classes.
        in_channels: channels of the features.
        frame_size: side of the feature maps, at least 3 where regions are predicted.
        builder: how nodes are made, see :func:`dyreg_block`.
        node_channels: channels of the graph.
        region_channels: size of the vectors that regions are predicted from.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: initial gain of the regions, see :class:`~pyg_video.graph_builders.RegionGraph`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: initial scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    features = StagedBackbone(in_channels, {"features": nn.Identity()}, [Stage("features", in_channels, 1)])
    block = partial(
        dyreg_block,
        builder=builder,
        node_channels=node_channels,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    blocks = _blocks(features, ("features",), frame_size, block)
    return VideoClassifier(features, PoolHead(in_channels, num_classes, readout=readout), blocks=blocks)


@register_model
def dyreg_resnet(
    num_classes: int = 174,
    *,
    backbone: str = "tsm",
    depth: int = 50,
    frame_size: int = 224,
    stages: tuple[str, ...] = ("layer2", "layer3", "layer4"),
    builder: str = "dyreg",
    region_channels: int = 128,
    num_iterations: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    residual_scale: float = 0.0,
    weights: str = "",
    shift_div: int = 8,
    online: bool = False,
    dropout: float = 0.0,
) -> VideoClassifier:
    """DyReg-GNN in a ResNet on video, as on Something-Something (Duta et al., NeurIPS 2021).

    A block follows the 3 x 3 convolution of the last residual block but one in each of some layers, as in the released
    TSM-ResNet-50; the paper does not say where the others have it. Frames may differ from ``frame_size`` after training
    (the paper's "full resolution").

    Args:
        num_classes: number of classes.
        backbone: ``"tsm"`` or ``"i3d"``, see :func:`video_resnet`.
        depth: 18, 34 or 50.
        frame_size: side of the frames in training, in pixels.
        stages: layers with a block: ``("layer2", "layer3", "layer4")`` is the paper's r3-4-5, ``("layer3",)`` its r4.
        builder: how nodes are made, see :func:`dyreg_block`.
        region_channels: size of the vectors that regions are predicted from.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: initial gain of the regions, see :class:`~pyg_video.graph_builders.RegionGraph`.
        residual_scale: initial scale of the blocks' norms, see :class:`~pyg_video.layers.GraphBlock`.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: TSM moves one channel in ``shift_div`` from each side.
        online: TSM shifts from the previous frame only, so that the model runs on streams.
        dropout: dropout of the pooled features; 0.5 in the published runs.
    """
    check_option("backbone", backbone, ("tsm", "i3d"))
    net = resnet_backbone(backbone, depth, weights=weights, shift_div=shift_div, online=online)
    block = partial(
        dyreg_block,
        builder=builder,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    layers = {stage.name: stage for stage in net.info[1:]}
    check_stages(stages, tuple(layers))
    if not stages:
        raise ValueError("Expected 'stages' with at least one layer (got none); use 'video_resnet' for no block")
    for layer in stages:
        path = f"{second_to_last_block(net, layer)}.conv2"
        conv = net.stages.get_submodule(path)
        assert isinstance(conv, (nn.Conv2d, nn.Conv3d))
        C, size = conv.out_channels, _map_size(frame_size, layers[layer].stride)
        insert_block(net, path, block(C, size, node_channels=_WIDEST_GRAPH if C > _WIDEST_GRAPH else None))
    return VideoClassifier(net, PoolHead(net.info[-1].channels, num_classes, dropout=dropout))


dyreg_tsm_resnet18 = register_variant("dyreg_tsm_resnet18", dyreg_resnet, depth=18)
dyreg_tsm_resnet50 = register_variant("dyreg_tsm_resnet50", dyreg_resnet)
dyreg_i3d_resnet50 = register_variant("dyreg_i3d_resnet50", dyreg_resnet, backbone="i3d")


def _blocks(
    backbone: StagedBackbone, stages: Sequence[str], frame_size: int, block: Callable[..., GraphBlock]
) -> dict[str, GraphBlock]:
    """A block after each of some stages, made of channels and map size."""
    info = {stage.name: stage for stage in backbone.info}
    check_stages(stages, tuple(info))
    return {name: block(info[name].channels, _map_size(frame_size, info[name].stride)) for name in stages}


def _map_size(frame_size: int, stride: int) -> tuple[int, int]:
    side = -(-frame_size // stride)
    return side, side
