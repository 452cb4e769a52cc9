"""Models of the SyncMNIST experiments without a graph, and the convolutional net that all of them share."""

from ..backbones import NonLocal, SmallCNN, SmallI3D, StagedBackbone
from ..layers import ConvLSTM, TemporalRNN
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import register_model, register_variant


def digit_backbone(frame_size: int, channels: tuple[int, ...], strides: tuple[int, ...]) -> StagedBackbone:
    """A :class:`~pyg_video.backbones.SmallCNN` for grey frames of the given size."""
    return _checked(SmallCNN(1, channels, strides), frame_size)


def _checked(backbone: StagedBackbone, frame_size: int) -> StagedBackbone:
    stride = backbone.info[-1].stride
    if frame_size < stride:
        raise ValueError(
            f"Expected 'frame_size' of at least {stride} pixels, the product of 'strides' (got {frame_size}); "
            "use smaller strides"
        )
    return backbone


@register_model
def cnn_sync_mnist(
    num_classes: int = 46,
    *,
    frame_size: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    readout: str = "mean",
) -> VideoClassifier:
    """Mean over pixels and an LSTM over frames, on the backbone of the graph models (Mean+LSTM).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        channels: channels of each stage.
        strides: stride of each stage.
        readout: output of the LSTM for the ``"last"`` frame, or its ``"mean"`` over frames.
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
    """A convolutional LSTM over the last feature map, then the mean over pixels (Conv+LSTM).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        channels: channels of each stage; the LSTM has those of the last.
        strides: stride of each stage.
        kernel_size: side of the LSTM's kernels, odd.
        readout: output of the LSTM for the ``"last"`` frame, or its ``"mean"`` over frames.
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
    num_non_local: int = 0,
) -> VideoClassifier:
    """Kernels over several frames, then the mean over pixels and frames (I3D).

    Args:
        num_classes: number of classes.
        frame_size: side of the frames in pixels.
        channels: channels of each stage.
        strides: stride of each stage, in space.
        kernel_time: frames covered by a kernel, an odd number.
        num_non_local: number of stages, counted from the end, that a :class:`~pyg_video.backbones.NonLocal` follows.
    """
    if num_non_local < 0:
        raise ValueError(f"Expected 'num_non_local' of at least 0 (got {num_non_local})")
    backbone = _checked(SmallI3D(1, channels, strides, kernel_time=kernel_time), frame_size)
    followed = backbone.info[max(len(channels) - num_non_local, 0) :]
    blocks = {stage.name: NonLocal(stage.channels, residual_scale=1.0) for stage in followed}
    return VideoClassifier(backbone, PoolHead(channels[-1], num_classes), blocks=blocks)


non_local_sync_mnist = register_variant("non_local_sync_mnist", i3d_sync_mnist, num_non_local=2)
