"""DyReg-GNN on synchronous digits: one block on dynamic regions inside a convolutional net."""

from torch import nn

from ..graph_builders import RegionGraph
from ..layers import RSTG, FrameNorm, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN
from .baselines import digit_backbone
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import register_model


@register_model
def dyreg_gnn_sync_mnist(
    num_classes: int = 46,
    *,
    frame: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    stage: int = -1,
    num_stages: int = 3,
    arrangement: tuple[int, ...] = (3, 3),
    region_channels: int = 128,
    anchors: str = "center",
    gain: float = 0.0,
    adapt: str = "frame",
    region_size: str = "learned",
    readout: str = "mean",
    residual_scale: float = 0.0,
) -> VideoClassifier:
    """Dynamic Regions Graph Neural Network (Duta et al., NeurIPS 2021) in a plain convolutional net.

    Args:
        num_classes: number of classes.
        frame: side of the frames.
        channels: channels of each stage of the backbone.
        strides: stride of each stage of the backbone.
        stage: stage that the block follows, counted from 0; -1 is the last.
        num_stages: iterations of time and space.
        arrangement: rows and columns of regions.
        region_channels: size of the vectors that decide the regions.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        adapt: regions for every ``"frame"``, every ``"clip"`` or the whole ``"dataset"``.
        region_size: ``"learned"`` or ``"fixed"``.
        readout: pooled features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: first value of the scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
    """
    backbone = digit_backbone(frame, channels, strides)
    if not -len(channels) <= stage < len(channels):
        raise ValueError(f"Expected 'stage' to be one of the backbone's {len(channels)}, from 0 (got {stage})")
    if len(arrangement) != 2:
        raise ValueError(f"Expected 'arrangement' to be rows and columns of regions (got {arrangement})")
    name, C, stride = backbone.info[stage]
    size = (-(-frame // stride),) * 2
    builder = RegionGraph(
        C,
        size=size,
        arrangement=(arrangement[0], arrangement[1]),
        adapt=adapt,
        region_size=region_size,
        anchors=anchors,
        region_channels=region_channels,
        gain=gain,
    )
    processor = nn.Sequential(KernelEmbedding(C, size), dyreg_processor(C, num_stages))
    block = GraphBlock(builder, processor, channels=C, residual_scale=residual_scale)
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes, readout=readout), blocks={name: block})


def dyreg_processor(channels: int, num_stages: int = 3) -> RSTG:
    """The recurrent graph of DyReg-GNN's released models: messages from sums, no update MLP, norms, GRUs."""
    space = SpaceConv(
        channels,
        combine="sum",
        send_layers=1,
        update_layers=0,
        message_norm=FrameNorm(channels),
        update_norm=FrameNorm(channels),
    )
    norm = FrameNorm(channels)
    return RSTG(space, TemporalRNN(channels), TemporalRNN(channels), num_stages=num_stages, norm=norm)
