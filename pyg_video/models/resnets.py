"""ResNets on video without a graph: TSM, C2D, I3D and Non-Local nets."""

from collections.abc import Callable
from functools import partial

from .._checks import check_option
from ..backbones import NonLocal, StagedBackbone, c2d_resnet, i3d_resnet, insert_block, resnet, tsm_resnet
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import register_model, register_variant


@register_model
def video_resnet(
    num_classes: int = 174,
    *,
    backbone: str = "tsm",
    depth: int = 50,
    num_stages: int = 4,
    in_channels: int = 3,
    weights: str = "",
    shift_div: int = 8,
    online: bool = False,
    non_local: tuple[str, ...] = (),
    readout: str = "mean",
    dropout: float = 0.0,
) -> VideoClassifier:
    """A ResNet on video and the mean over pixels and frames.

    Args:
        num_classes: number of classes.
        backbone: ``"resnet"`` on single frames, see :func:`~pyg_video.backbones.resnet`; ``"tsm"``, see
            :func:`~pyg_video.backbones.tsm_resnet`; ``"c2d"``, see :func:`~pyg_video.backbones.c2d_resnet`; or
            ``"i3d"``, see :func:`~pyg_video.backbones.i3d_resnet`.
        depth: 18, 34 or 50.
        num_stages: layers that are kept, 1 to 4.
        in_channels: channels of the video.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: TSM moves one channel in ``shift_div`` from each side.
        online: TSM shifts from the previous frame only, so that the model runs on streams.
        non_local: paths of the residual blocks that a :class:`~pyg_video.backbones.NonLocal` follows, such as
            ``"layer2.1"``, see :func:`~pyg_video.backbones.insert_block`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        dropout: dropout of the pooled features; 0.5 in the published runs of TSM.
    """
    net = resnet_backbone(
        backbone,
        depth,
        num_stages=num_stages,
        in_channels=in_channels,
        weights=weights,
        shift_div=shift_div,
        online=online,
    )
    channels = {stage.name: stage.channels for stage in net.info}
    for path in non_local:
        layer = path.partition(".")[0]
        check_option("non_local", layer, tuple(channels))
        insert_block(net, path, NonLocal(channels[layer]))
    return VideoClassifier(net, PoolHead(net.info[-1].channels, num_classes, readout=readout, dropout=dropout))


tsm_resnet18 = register_variant("tsm_resnet18", video_resnet, depth=18)
tsm_resnet50 = register_variant("tsm_resnet50", video_resnet)
c2d_resnet50 = register_variant("c2d_resnet50", video_resnet, backbone="c2d")
i3d_resnet50 = register_variant("i3d_resnet50", video_resnet, backbone="i3d")
non_local_resnet50 = register_variant(
    "non_local_resnet50",
    video_resnet,
    backbone="i3d",
    non_local=("layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5"),  # Wang et al., CVPR 2018: five blocks
)
resnet18_multi_sync_mnist = register_variant(
    "resnet18_multi_sync_mnist", video_resnet, num_classes=56, backbone="resnet", depth=18, num_stages=3, in_channels=1
)


def resnet_backbone(
    backbone: str,
    depth: int = 50,
    *,
    num_stages: int = 4,
    in_channels: int = 3,
    weights: str = "",
    shift_div: int = 8,
    online: bool = False,
) -> StagedBackbone:
    """The ResNet that the options of :func:`video_resnet` describe."""
    build: dict[str, Callable[..., StagedBackbone]] = {
        "resnet": resnet,
        "tsm": partial(tsm_resnet, shift_div=shift_div, online=online),
        "c2d": c2d_resnet,
        "i3d": i3d_resnet,
    }
    check_option("backbone", backbone, tuple(build))
    if online and backbone != "tsm":
        raise ValueError(f"Expected 'online' to be False with backbone='{backbone}' (got True); use backbone='tsm'")
    return build[backbone](depth, num_stages=num_stages, in_channels=in_channels, weights=weights or None)


def second_to_last_block(backbone: StagedBackbone, layer: str) -> str:
    """The path of a layer's last residual block but one, which the papers' released models put graphs behind."""
    blocks = [name for name, _ in backbone.stages[layer].named_children() if name.isdecimal()]
    return f"{layer}.{blocks[-2]}"
