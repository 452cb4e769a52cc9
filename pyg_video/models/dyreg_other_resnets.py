"""DyReg-GNN in other backbones than TSM-ResNet-50 (table 2 of the paper), by name."""

from functools import partial

from ..backbones import i3d_resnet, tsm_resnet
from .classifier import VideoClassifier
from .dyreg_block import dyreg_block
from .dyreg_resnet import PLACES, insert_graphs
from .heads import PoolHead
from .registry import register_model

# The last but one of a stage, as in the released model; the paper does not say where.
_PLACES_18 = {3: "layer2.0", 4: "layer3.0", 5: "layer4.0"}


@register_model
def dyreg_tsm_resnet18(
    num_classes: int = 174,
    *,
    frame_size: int = 224,
    stages: tuple[int, ...] = (3, 4, 5),
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
    """DyReg-GNN in a TSM-ResNet-18, a block behind the second convolution of the first residual block of a stage.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames trained on.
        stages: the stages that get a block, by the paper's numbers.
        builder: how nodes are made, see :func:`~pyg_video.models.dyreg_block`.
        region_channels: size of the vectors that decide the regions.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        residual_scale: first value of the scale of the blocks' norms, see :class:`~pyg_video.layers.GraphBlock`.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: one channel in so many moves from each side.
        online: only from the frame before, for streams.
        dropout: of the pooled features; 0.5 in the published runs.
    """
    backbone = tsm_resnet(18, weights=weights or None, shift_div=shift_div, online=online)
    block = partial(
        dyreg_block,
        builder=builder,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    insert_graphs(backbone, stages, _PLACES_18, frame_size, block)
    return VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, num_classes, dropout=dropout))


@register_model
def dyreg_i3d_resnet50(
    num_classes: int = 174,
    *,
    frame_size: int = 224,
    stages: tuple[int, ...] = (3, 4, 5),
    builder: str = "dyreg",
    region_channels: int = 128,
    num_iterations: int = 3,
    anchors: str = "center",
    gain: float = 0.0,
    residual_scale: float = 0.0,
    weights: str = "",
    dropout: float = 0.0,
) -> VideoClassifier:
    """DyReg-GNN in an I3D-ResNet-50, with blocks where :func:`~pyg_video.models.dyreg_tsm_resnet50` has them.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames trained on.
        stages: the stages that get a block, by the paper's numbers.
        builder: how nodes are made, see :func:`~pyg_video.models.dyreg_block`.
        region_channels: size of the vectors that decide the regions.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        residual_scale: first value of the scale of the blocks' norms, see :class:`~pyg_video.layers.GraphBlock`.
        weights: torchvision's weights to inflate, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        dropout: of the pooled features; 0.5 in the published runs.
    """
    backbone = i3d_resnet(50, weights=weights or None)
    block = partial(
        dyreg_block,
        builder=builder,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    insert_graphs(backbone, stages, PLACES, frame_size, block)
    return VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, num_classes, dropout=dropout))
