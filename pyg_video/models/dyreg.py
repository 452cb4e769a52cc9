"""DyReg-GNN's graphs in small convolutional nets, in ResNets and on features made elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from .._checks import check_option, check_stages
from ..backbones import Stage, StagedBackbone, insert_block, resnet, tsm_resnet
from ..layers import GraphBlock, ToVector
from .classifier import VideoClassifier
from .digits import digit_backbone
from .dyreg_block import dyreg_block
from .heads import GraphHead, PoolHead
from .registry import option_groups, options_of, register_model, register_variant
from .resnets import resnet_backbone, second_to_last_block

_WIDEST_GRAPH = 256  # channels; wider maps are projected to it, as released
_OPTIONS = (
    *("builder", "region_channels", "num_iterations", "anchors", "gain", "extent"),
    *("threshold", "track", "motion", "residual_scale"),
)


@register_model
@option_groups(net=options_of(digit_backbone), block=options_of(dyreg_block, anchors="grid", gain=0.3))
def graph_sync_mnist(
    num_classes: int = 46,
    *,
    net: Mapping[str, Any],
    block: Mapping[str, Any],
    output: str = "vector",
    stages: tuple[str, ...] = (),
    readout: str = "last",
) -> VideoClassifier:
    """The graph of DyReg-GNN (Duta et al., NeurIPS 2021), with nodes made by any builder, on a small convolutional net.

    Args:
        num_classes: number of classes.
        net: ``frame_size`` in pixels; ``in_channels``, ``channels`` and ``strides`` of
            :class:`~pyg_video.backbones.SmallCNN`.
        block: see :func:`dyreg_block`. ``builder="box"`` takes the boxes of the data.
        output: ``"vector"``: the sum of the nodes decides the class, on the last stage (RSTG-to-vec); ``"map"``: the
            nodes go back onto the feature map, as a block inside the backbone (DyReg-GNN).
        stages: stages that a block follows, such as ``("stage2", "stage3")``; ``()`` for the last one.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
    """
    check_option("output", output, ("vector", "map"))
    backbone = digit_backbone(**net)
    last = (backbone.info[-1].name,)
    if output == "vector" and stages not in ((), last):
        raise ValueError(f"Expected 'stages' to be () or {last} with output='vector' (got {stages}); use output='map'")
    blocks = _blocks(backbone, stages or last, net["frame_size"], block)
    C = backbone.info[-1].channels
    if output == "vector":
        (graph,) = blocks.values()
        head = GraphHead(C, num_classes, graph.builder, graph.processor, readout=ToVector(readout))
        return VideoClassifier(backbone, head)
    return VideoClassifier(backbone, PoolHead(C, num_classes, readout=readout), blocks=blocks)


dyreg_gnn_sync_mnist = register_variant(
    "dyreg_gnn_sync_mnist", graph_sync_mnist, output="map", anchors="center", gain=0.0, readout="mean"
)


@register_model
@option_groups(block=options_of(dyreg_block, *_OPTIONS, "arrangement", node_channels=32, region_channels=32))
def dyreg_gnn_multi_sync_mnist(
    num_classes: int = 56, *, frame_size: int = 128, block: Mapping[str, Any], readout: str = "mean"
) -> VideoClassifier:
    """A graph after ``"layer2"`` of a ResNet-18 cut after ``"layer3"``: DyReg-GNN's MultiSyncMNIST models.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        block: see :func:`dyreg_block`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
    """
    backbone = resnet(18, in_channels=1, num_stages=3)
    blocks = _blocks(backbone, ("layer2",), frame_size, block)
    return VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, num_classes, readout=readout), blocks=blocks)


@register_model
@option_groups(block=options_of(dyreg_block, *_OPTIONS, node_channels=256, residual_scale=1.0))
def graph_on_features(
    num_classes: int = 46,
    *,
    in_channels: int = 768,
    frame_size: int = 7,
    block: Mapping[str, Any],
    readout: str = "mean",
) -> VideoClassifier:
    """One block of DyReg-GNN and a linear classifier on the feature maps of a frozen model, see ``docs/insertion.md``.

    Args:
        num_classes: number of classes.
        in_channels: channels of the features.
        frame_size: side of the feature maps, at least 3 where regions are predicted.
        block: see :func:`dyreg_block`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
    """
    features = StagedBackbone(in_channels, {"features": nn.Identity()}, [Stage("features", in_channels, 1)])
    blocks = _blocks(features, ("features",), frame_size, block)
    return VideoClassifier(features, PoolHead(in_channels, num_classes, readout=readout), blocks=blocks)


@register_model
@option_groups(
    block=options_of(dyreg_block, *_OPTIONS),
    net=options_of(tsm_resnet, "depth", "shift_div", "online", weights=""),
)
def dyreg_resnet(
    num_classes: int = 174,
    *,
    backbone: str = "tsm",
    net: Mapping[str, Any],
    frame_size: int = 224,
    stages: tuple[str, ...] = ("layer2", "layer3", "layer4"),
    block: Mapping[str, Any],
    dropout: float = 0.0,
) -> VideoClassifier:
    """DyReg-GNN in a ResNet on video, as on Something-Something (Duta et al., NeurIPS 2021).

    A block follows the 3 x 3 convolution of the last residual block but one in each of some layers, as in the released
    TSM-ResNet-50; the paper does not state the position for other networks. Frames may differ from ``frame_size`` after
    training (the paper's "full resolution").

    Args:
        num_classes: number of classes.
        backbone: ``"tsm"`` or ``"i3d"``, see :func:`video_resnet`.
        net: options of the backbone, see :func:`video_resnet`.
        frame_size: side of the frames in training, in pixels.
        stages: layers with a block: ``("layer2", "layer3", "layer4")`` is the paper's r3-4-5, ``("layer3",)`` its r4.
        block: see :func:`dyreg_block`.
        dropout: dropout of the pooled features; 0.5 in the published runs.
    """
    check_option("backbone", backbone, ("tsm", "i3d"))
    video_net = resnet_backbone(backbone, **net)
    layers = {stage.name: stage for stage in video_net.info[1:]}
    check_stages(stages, tuple(layers))
    if not stages:
        raise ValueError("Expected 'stages' with at least one layer (got none); use 'video_resnet' for no block")
    for layer in stages:
        path = f"{second_to_last_block(video_net, layer)}.conv2"
        conv = video_net.stages.get_submodule(path)
        assert isinstance(conv, (nn.Conv2d, nn.Conv3d))
        C, size = conv.out_channels, _map_size(frame_size, layers[layer].stride)
        width = _WIDEST_GRAPH if C > _WIDEST_GRAPH else None
        insert_block(video_net, path, dyreg_block(C, size, node_channels=width, **block))
    return VideoClassifier(video_net, PoolHead(video_net.info[-1].channels, num_classes, dropout=dropout))


dyreg_tsm_resnet18 = register_variant("dyreg_tsm_resnet18", dyreg_resnet, depth=18)
dyreg_tsm_resnet50 = register_variant("dyreg_tsm_resnet50", dyreg_resnet)
dyreg_i3d_resnet50 = register_variant("dyreg_i3d_resnet50", dyreg_resnet, backbone="i3d")


def _blocks(
    backbone: StagedBackbone, stages: Sequence[str], frame_size: int, options: Mapping[str, Any]
) -> dict[str, GraphBlock]:
    """A :func:`dyreg_block` after each of some stages."""
    info = {stage.name: stage for stage in backbone.info}
    check_stages(stages, tuple(info))
    return {
        name: dyreg_block(info[name].channels, _map_size(frame_size, info[name].stride), **options) for name in stages
    }


def _map_size(frame_size: int, stride: int) -> tuple[int, int]:
    side = -(-frame_size // stride)
    return side, side
