"""DyReg-GNN in the paper's ResNets, by name."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import nn

from ..backbones import StagedBackbone, insert_block, resnet, tsm_resnet
from .classifier import VideoClassifier
from .dyreg_block import dyreg_block
from .heads import PoolHead
from .registry import register_model

PLACES = {3: "layer2.2", 4: "layer3.4", 5: "layer4.1"}  # the bottlenecks of the released model, by the paper's stage
_WIDEST_GRAPH = 256  # wider maps are projected to it, as released


@register_model
def dyreg_tsm_resnet50(
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
    """DyReg-GNN in a TSM-ResNet-50, as released for Something-Something (Duta et al., NeurIPS 2021).

    A block follows the 3 x 3 convolution of one bottleneck in each of some stages. Frames of another size than
    ``frame_size`` will do as well (the paper's "full resolution").

    Args:
        num_classes: number of classes.
        frame_size: side of the frames trained on.
        stages: the stages that get a block, by the paper's numbers: ``(3, 4, 5)`` for r3-4-5, ``(4,)`` for r4.
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
    backbone = tsm_resnet(50, weights=weights or None, shift_div=shift_div, online=online)
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


def insert_graphs(
    backbone: StagedBackbone,
    stages: Sequence[int],
    places: Mapping[int, str],
    frame_size: int,
    block: Callable[..., nn.Module],
) -> None:
    """Put a block of DyReg-GNN behind the 3 x 3 convolution of one residual block in each of some stages.

    Args:
        backbone: a ResNet.
        stages: the stages that get a block, by the paper's numbers.
        places: the residual blocks, by stage.
        frame_size: side of the frames trained on.
        block: :func:`~pyg_video.models.dyreg_block` with its options.
    """
    if not stages or len(set(stages)) != len(stages) or not set(stages) <= set(places):
        raise ValueError(f"Expected 'stages' out of 3, 4 and 5, each once (got {tuple(stages)})")
    for stage in stages:
        channels = 32 * 2 ** (stage - 1)  # of the 3 x 3 convolution
        width = _WIDEST_GRAPH if channels > _WIDEST_GRAPH else None
        side = -(-frame_size // 2**stage)
        insert_block(backbone, f"{places[stage]}.conv2", block(channels, (side, side), node_channels=width))


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
    """A graph after the second stage of a ResNet-18 cut to three: DyReg-GNN's MultiSyncMNIST models.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        builder: how nodes are made, see :func:`~pyg_video.models.dyreg_block`.
        node_channels: channels of the graph.
        region_channels: size of the vectors that decide the regions.
        num_iterations: iterations of time and space.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: first value of the scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    backbone = resnet(18, in_channels=1, num_stages=3)
    name, channels, stride, _ = backbone.info[2]
    block = dyreg_block(
        channels,
        (-(-frame_size // stride),) * 2,
        builder=builder,
        node_channels=node_channels,
        region_channels=region_channels,
        num_iterations=num_iterations,
        anchors=anchors,
        gain=gain,
        residual_scale=residual_scale,
    )
    head = PoolHead(backbone.info[-1].channels, num_classes, readout=readout)
    return VideoClassifier(backbone, head, blocks={name: block})
