"""The convolutional net of the SyncMNIST experiments, and the models of it without a graph."""

import math

from ..backbones import NonLocal, SmallCNN, SmallI3D
from ..layers import ConvLSTM, TemporalRNN
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import register_model


def digit_backbone(frame_size: int, channels: tuple[int, ...], strides: tuple[int, ...]) -> SmallCNN:
    """A :class:`~pyg_video.backbones.SmallCNN` on grey frames, checked to leave some of them."""
    _check_stages(frame_size, channels, strides)
    return SmallCNN(1, channels, strides)


def _check_stages(frame_size: int, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
    if not channels or len(channels) != len(strides) or min(*channels, *strides) < 1:
        raise ValueError(
            f"Expected one width in 'channels' and one stride in 'strides' a stage, all at least 1 "
            f"(got {channels} and {strides})"
        )
    if frame_size < math.prod(strides):
        raise ValueError(
            f"Expected 'frame_size' of at least the product of strides = {strides} pixels (got {frame_size}); "
            "use smaller strides"
        )


@register_model
def cnn_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    readout: str = "mean",
) -> VideoClassifier:
    """The backbone of the graph models without a graph: mean over pixels, LSTM over frames (Mean+LSTM).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage.
        strides: stride of each stage.
        readout: the LSTM's output of the ``"last"`` frame, or its ``"mean"`` over frames.
    """
    backbone = digit_backbone(frame_size, channels, strides)
    time = TemporalRNN(channels[-1], cell="lstm")
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes, time=time, readout=readout))


@register_model
def conv_lstm_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    kernel_size: int = 3,
    readout: str = "last",
) -> VideoClassifier:
    """The backbone of the graph models, a convolutional LSTM over its map, mean over pixels (Conv+LSTM).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage; the LSTM has those of the last.
        strides: stride of each stage.
        kernel_size: side of the LSTM's kernels, odd.
        readout: the LSTM's output of the ``"last"`` frame, or its ``"mean"`` over frames.
    """
    backbone = digit_backbone(frame_size, channels, strides)
    rnn = ConvLSTM(channels[-1], kernel_size=kernel_size)
    head = PoolHead(channels[-1], num_classes, readout=readout)
    return VideoClassifier(backbone, head, blocks={backbone.info[-1].name: rnn})


@register_model
def i3d_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    kernel_time: int = 3,
) -> VideoClassifier:
    """The backbone of the graph models with kernels that see several frames, mean over pixels and frames (I3D).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage.
        strides: stride of each stage, in space.
        kernel_time: frames that a kernel sees, an odd number.
    """
    _check_stages(frame_size, channels, strides)
    backbone = SmallI3D(1, channels, strides, kernel_time=kernel_time)
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes))


@register_model
def non_local_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    kernel_time: int = 3,
) -> VideoClassifier:
    """:func:`i3d_sync_mnist` with a :class:`~pyg_video.backbones.NonLocal` after each of the last two stages.

    Args:
        num_classes: number of classes.
        frame_size: side of the frames.
        channels: channels of each stage.
        strides: stride of each stage, in space.
        kernel_time: frames that a kernel sees, an odd number.
    """
    _check_stages(frame_size, channels, strides)
    backbone = SmallI3D(1, channels, strides, kernel_time=kernel_time)
    blocks = {stage.name: NonLocal(stage.channels, residual_scale=1.0) for stage in backbone.info[-2:]}
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes), blocks=blocks)
