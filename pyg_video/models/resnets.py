"""Models without a graph: the backbones of the papers' experiments, by name."""

from .._checks import check_option
from ..backbones import StagedBackbone, c2d_resnet, i3d_resnet, resnet, tsm_resnet
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import register_model

_NON_LOCAL = {"layer2": (1, 3), "layer3": (1, 3, 5)}  # Wang et al.: five blocks, after every other residual block


@register_model
def tsm_resnet18(
    num_classes: int = 174,
    *,
    in_channels: int = 3,
    weights: str = "",
    shift_div: int = 8,
    online: bool = False,
    dropout: float = 0.0,
) -> VideoClassifier:
    """TSM on ResNet-18 (Lin et al., ICCV 2019), see :func:`~pyg_video.backbones.tsm_resnet`.

    Args:
        num_classes: number of classes.
        in_channels: channels of the video.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: one channel in so many moves from each side.
        online: only from the frame before, for streams.
        dropout: of the pooled features; 0.5 in the published runs.
    """
    net = tsm_resnet(18, in_channels=in_channels, weights=weights or None, shift_div=shift_div, online=online)
    return _pooled(net, num_classes, dropout=dropout)


@register_model
def tsm_resnet50(
    num_classes: int = 174,
    *,
    in_channels: int = 3,
    weights: str = "",
    shift_div: int = 8,
    online: bool = False,
    dropout: float = 0.0,
) -> VideoClassifier:
    """TSM on ResNet-50 (Lin et al., ICCV 2019), see :func:`~pyg_video.backbones.tsm_resnet`.

    Args:
        num_classes: number of classes.
        in_channels: channels of the video.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: one channel in so many moves from each side.
        online: only from the frame before, for streams.
        dropout: of the pooled features; 0.5 in the published runs.
    """
    net = tsm_resnet(50, in_channels=in_channels, weights=weights or None, shift_div=shift_div, online=online)
    return _pooled(net, num_classes, dropout=dropout)


@register_model
def c2d_resnet50(
    num_classes: int = 174, *, in_channels: int = 3, weights: str = "", dropout: float = 0.0
) -> VideoClassifier:
    """C2D on ResNet-50 (Wang et al., CVPR 2018), see :func:`~pyg_video.backbones.c2d_resnet`.

    Args:
        num_classes: number of classes.
        in_channels: channels of the video.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        dropout: of the pooled features.
    """
    net = c2d_resnet(50, in_channels=in_channels, weights=weights or None)
    return _pooled(net, num_classes, dropout=dropout)


@register_model
def i3d_resnet50(
    num_classes: int = 174, *, in_channels: int = 3, weights: str = "", dropout: float = 0.0
) -> VideoClassifier:
    """I3D on ResNet-50 (Wang et al., CVPR 2018), see :func:`~pyg_video.backbones.i3d_resnet`.

    Args:
        num_classes: number of classes.
        in_channels: channels of the video.
        weights: torchvision's weights to inflate, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        dropout: of the pooled features.
    """
    net = i3d_resnet(50, in_channels=in_channels, weights=weights or None)
    return _pooled(net, num_classes, dropout=dropout)


@register_model
def non_local_resnet50(
    num_classes: int = 174, *, in_channels: int = 3, weights: str = "", backbone: str = "i3d"
) -> VideoClassifier:
    """Five Non-Local blocks in a ResNet-50 (Wang et al., CVPR 2018): two in layer2, three in layer3.

    Args:
        num_classes: number of classes.
        in_channels: channels of the video.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        backbone: ``"i3d"`` or ``"c2d"``.
    """
    check_option("backbone", backbone, ("i3d", "c2d"))
    build = i3d_resnet if backbone == "i3d" else c2d_resnet
    return _pooled(build(50, in_channels=in_channels, weights=weights or None, non_local=_NON_LOCAL), num_classes)


@register_model
def resnet18_multi_sync_mnist(num_classes: int = 56, *, readout: str = "mean") -> VideoClassifier:
    """The backbone of the MultiSyncMNIST experiments without a graph: ResNet-18 cut to three stages.

    Args:
        num_classes: number of classes.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
    """
    return _pooled(resnet(18, in_channels=1, num_stages=3), num_classes, readout)


def _pooled(
    backbone: StagedBackbone, num_classes: int, readout: str = "mean", *, dropout: float = 0.0
) -> VideoClassifier:
    """A backbone and the mean over its pixels and frames."""
    head = PoolHead(backbone.info[-1].channels, num_classes, readout=readout, dropout=dropout)
    return VideoClassifier(backbone, head)
