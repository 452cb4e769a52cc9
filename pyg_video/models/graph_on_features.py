"""A graph and a classifier on the feature maps of a frozen model."""

from torch import nn

from ..backbones import Stage, StagedBackbone
from .classifier import VideoClassifier
from .dyreg_block import dyreg_block
from .heads import PoolHead
from .registry import register_model


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
    """One DyReg-GNN block and a linear classifier on features that are made elsewhere, see ``docs/insertion.md``.

    Args:
        num_classes: number of classes.
        in_channels: channels of the features.
        frame_size: side of the feature maps, at least 3 where regions are predicted.
        builder: how nodes are made, see :func:`~pyg_video.models.dyreg_block`.
        node_channels: channels of the graph.
        region_channels: size of the vectors that decide the regions.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: first value of the scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    features = StagedBackbone(in_channels, {"features": nn.Identity()}, [Stage("features", in_channels, 1)])
    block = dyreg_block(
        in_channels,
        (frame_size, frame_size),
        builder=builder,
        node_channels=node_channels,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    return VideoClassifier(features, PoolHead(in_channels, num_classes, readout=readout), blocks={"features": block})
