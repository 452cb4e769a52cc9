"""Models of the SyncMNIST experiments without a graph, and the convolutional net that all of them share."""

from collections.abc import Mapping
from typing import Any

from ..backbones import NonLocal, SmallCNN, SmallI3D, StagedBackbone
from ..layers import ConvLSTM, TemporalRNN
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import option_groups, options_of, register_model, register_variant


def digit_backbone(
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    kernel_time: int | None = None,
    num_2d: int | None = None,
    in_channels: int = 1,
    subtract_background: bool = False,
) -> StagedBackbone:
    """A :class:`~pyg_video.backbones.SmallCNN`, or ``SmallI3D`` after the first ``num_2d`` stages.

    Frames are grey by default; ``in_channels=3`` is for colour. ``subtract_background=True`` leaves what moves.
    """
    if kernel_time is None:
        net: StagedBackbone = SmallCNN(in_channels, channels, strides, subtract_background=subtract_background)
    else:
        times = [1 if stage < (num_2d or 0) else kernel_time for stage in range(len(channels))]
        net = SmallI3D(in_channels, channels, strides, kernel_time=times, subtract_background=subtract_background)
    stride = net.info[-1].stride
    if frame_size < stride:
        raise ValueError(
            f"Expected 'frame_size' of at least {stride} pixels, the product of 'strides' (got {frame_size}); "
            "use smaller strides"
        )
    return net


@register_model
@option_groups(net=options_of(digit_backbone))
def cnn_sync_mnist(num_classes: int = 46, *, net: Mapping[str, Any], readout: str = "mean") -> VideoClassifier:
    """Mean over pixels and an LSTM over frames, on the backbone of the graph models (Mean+LSTM).

    Args:
        num_classes: number of classes.
        net: ``frame_size`` in pixels; ``in_channels``, ``channels`` and ``strides`` of
            :class:`~pyg_video.backbones.SmallCNN`.
        readout: output of the LSTM for the ``"last"`` frame, or its ``"mean"`` over frames.
    """
    backbone = digit_backbone(**net)
    C = backbone.info[-1].channels
    return VideoClassifier(backbone, PoolHead(C, num_classes, time=TemporalRNN(C, cell="lstm"), readout=readout))


@register_model
@option_groups(net=options_of(digit_backbone))
def conv_lstm_sync_mnist(
    num_classes: int = 46, *, net: Mapping[str, Any], kernel_size: int = 3, readout: str = "last"
) -> VideoClassifier:
    """A convolutional LSTM over the last feature map, then the mean over pixels (Conv+LSTM).

    Args:
        num_classes: number of classes.
        net: ``frame_size`` in pixels; ``in_channels``, ``channels`` and ``strides`` of
            :class:`~pyg_video.backbones.SmallCNN`.
        kernel_size: side of the LSTM's kernels, odd.
        readout: output of the LSTM for the ``"last"`` frame, or its ``"mean"`` over frames.
    """
    backbone = digit_backbone(**net)
    last = backbone.info[-1]
    rnn = ConvLSTM(last.channels, kernel_size=kernel_size)
    return VideoClassifier(backbone, PoolHead(last.channels, num_classes, readout=readout), blocks={last.name: rnn})


@register_model
@option_groups(net=options_of(digit_backbone, kernel_time=3, num_2d=0))
def i3d_sync_mnist(num_classes: int = 46, *, net: Mapping[str, Any], num_non_local: int = 0) -> VideoClassifier:
    """Kernels over several frames, then the mean over pixels and frames (I3D).

    Args:
        num_classes: number of classes.
        net: ``frame_size`` in pixels; ``in_channels``, ``channels``, ``strides`` and ``kernel_time``, see
            :class:`~pyg_video.backbones.SmallI3D`; ``num_2d``, how many of the first stages see single frames.
        num_non_local: number of stages, counted from the end, that a :class:`~pyg_video.backbones.NonLocal` follows.
    """
    if num_non_local < 0:
        raise ValueError(f"Expected 'num_non_local' of at least 0 (got {num_non_local})")
    backbone = digit_backbone(**net)
    followed = backbone.info[max(len(backbone.info) - num_non_local, 0) :]
    blocks = {stage.name: NonLocal(stage.channels, residual_scale=1.0) for stage in followed}
    return VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, num_classes), blocks=blocks)


non_local_sync_mnist = register_variant("non_local_sync_mnist", i3d_sync_mnist, num_non_local=2)
