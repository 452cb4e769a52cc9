"""DyReg-GNN on synchronous digits: blocks on dynamic regions inside a convolutional net."""

from torch import nn

from .._checks import rows_and_columns
from ..graph_builders import RegionGraph
from ..layers import RSTG, FrameNorm, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN, ToVector
from .classifier import VideoClassifier
from .digits import digit_backbone
from .heads import GraphHead, PoolHead
from .registry import register_model


@register_model
def dyreg_gnn_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    output: str = "map",
    stage: int = -1,
    num_iterations: int = 3,
    arrangement: tuple[int, ...] = (3, 3),
    region_channels: int = 128,
    anchors: str = "center",
    gain: float = 0.0,
    adapt: str = "frame",
    region_size: str = "learned",
    readout: str = "mean",
    residual_scale: float = 0.0,
    stages: tuple[int, ...] = (),
) -> VideoClassifier:
    """Dynamic Regions Graph Neural Network (Duta et al., NeurIPS 2021) on a plain convolutional net.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage of the backbone.
        strides: stride of each stage of the backbone.
        output: ``"map"``: the nodes go back onto the feature map, as a block inside the backbone (DyReg-GNN);
            ``"vector"``: their sum decides the class (RSTG-to-vec), and ``stage`` is the last one.
        stage: stage that the block follows, counted from 0; -1 is the last.
        num_iterations: iterations of time and space.
        arrangement: rows and columns of regions.
        region_channels: size of the vectors that decide the regions.
        anchors: regions start at the ``"center"`` or on a ``"grid"``.
        gain: first value of the regions' gain, see :class:`~pyg_video.graph_builders.RegionGraph`.
        adapt: regions for every ``"frame"``, every ``"clip"`` or the whole ``"dataset"``.
        region_size: ``"learned"`` or ``"fixed"``.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        residual_scale: first value of the scale of the block's norm, see :class:`~pyg_video.layers.GraphBlock`.
        stages: stages that a block each follows, in place of ``stage``: several blocks in one network.
    """
    _check(len(channels), arrangement, output, stage)
    _check_stages(len(channels), output, stage, stages)
    backbone = digit_backbone(frame_size, channels, strides)

    def graph(at: int) -> tuple[nn.Module, nn.Module]:
        place = backbone.info[at]
        C, size = place.channels, (-(-frame_size // place.stride),) * 2
        builder = RegionGraph(
            C,
            rows_and_columns(arrangement, "arrangement"),
            size=size,
            adapt=adapt,
            region_size=region_size,
            anchors=anchors,
            region_channels=region_channels,
            gain=gain,
        )
        return builder, nn.Sequential(KernelEmbedding(C, size), dyreg_processor(C, num_iterations))

    if output == "vector":
        vector = GraphHead(channels[-1], num_classes, *graph(stage), readout=ToVector(readout))
        return VideoClassifier(backbone, vector)
    blocks = {
        backbone.info[at].name: GraphBlock(channels[at], *graph(at), residual_scale=residual_scale)
        for at in stages or (stage,)
    }
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes, readout=readout), blocks=blocks)


def _check_stages(num_iterations: int, output: str, stage: int, stages: tuple[int, ...]) -> None:
    if not all(type(at) is int and -num_iterations <= at < num_iterations for at in stages):
        raise ValueError(f"Expected 'stages' among the backbone's {num_iterations}, counted from 0 (got {stages})")
    if len({at % num_iterations for at in stages}) < len(stages):
        raise ValueError(f"Expected 'stages' to name each stage once (got {stages})")
    if stages and (output == "vector" or stage != -1):
        raise ValueError(
            f"Expected 'stages' without 'stage' and with output='map' (got {stages}, stage={stage}, output={output!r})"
        )


def _check(num_iterations: int, arrangement: tuple[int, ...], output: str, stage: int) -> None:
    if output not in ("map", "vector"):
        raise ValueError(f"Expected 'output' to be 'map' or 'vector' (got {output!r})")
    if not -num_iterations <= stage < num_iterations:
        raise ValueError(f"Expected 'stage' to be one of the backbone's {num_iterations}, from 0 (got {stage})")
    if output == "vector" and stage not in (-1, num_iterations - 1):
        raise ValueError(f"Expected 'stage' to be the last one, -1, with output='vector' (got {stage})")
    rows_and_columns(arrangement, "arrangement")


def dyreg_processor(channels: int, num_iterations: int = 3) -> RSTG:
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
    return RSTG(space, TemporalRNN(channels), TemporalRNN(channels), num_iterations=num_iterations, norm=norm)
