"""ResNets on video without a graph: TSM, C2D, I3D and Non-Local nets."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .._checks import check_option
from ..backbones import NonLocal, StagedBackbone, c2d_resnet, i3d_resnet, insert_block, resnet, tsm_resnet
from .classifier import VideoClassifier
from .heads import PoolHead
from .registry import option_groups, options_of, register_model, register_variant


@register_model
@option_groups(options=options_of(tsm_resnet, "depth", "num_stages", "in_channels", "shift_div", "online", weights=""))
def video_resnet(
    num_classes: int = 174,
    *,
    backbone: str = "tsm",
    options: Mapping[str, Any],
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
        options: those of :func:`~pyg_video.backbones.tsm_resnet`; ``shift_div`` and ``online`` are for TSM, and
            ``weights=""`` stands for freshly drawn weights.
        non_local: paths of the residual blocks that a :class:`~pyg_video.backbones.NonLocal` follows, such as
            ``"layer2.1"``, see :func:`~pyg_video.backbones.insert_block`.
        readout: features of the ``"last"`` frame, or their ``"mean"`` over frames.
        dropout: dropout of the pooled features; 0.5 in the published runs of TSM.
    """
    net = resnet_backbone(backbone, **options)
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
    backbone: str, *, weights: str = "", shift_div: int = 8, online: bool = False, **options: int
) -> StagedBackbone:
    """The backbone that the options of :func:`video_resnet` describe."""
    build: dict[str, Callable[..., StagedBackbone]] = {
        "resnet": resnet,
        "tsm": partial(tsm_resnet, shift_div=shift_div, online=online),
        "c2d": c2d_resnet,
        "i3d": i3d_resnet,
    }
    check_option("backbone", backbone, tuple(build))
    if online and backbone != "tsm":
        raise ValueError(f"Expected 'online' to be False with backbone='{backbone}' (got True); use backbone='tsm'")
    return build[backbone](weights=weights or None, **options)


def second_to_last_block(backbone: StagedBackbone, layer: str) -> str:
    """The path of a layer's last residual block but one, which the papers' released models put graphs behind."""
    blocks = [name for name, _ in backbone.stages[layer].named_children() if name.isdecimal()]
    return f"{layer}.{blocks[-2]}"
