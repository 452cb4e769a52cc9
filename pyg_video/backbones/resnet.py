"""ResNet on every frame by itself, made of torchvision's parts."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from .._checks import check_option
from .features import Stage
from .stages import StagedBackbone

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

Weights: TypeAlias = "WeightsEnum | str | None"

LAYERS = ("layer1", "layer2", "layer3", "layer4")


def resnet(depth: int = 50, *, in_channels: int = 3, num_stages: int = 4, weights: Weights = None) -> StagedBackbone:
    """ResNet (He et al., CVPR 2016) on every frame by itself.

    The stages are ``"stem"`` (convolution and max-pooling) and torchvision's ``"layer1"`` to ``"layer4"``, the papers'
    res2 to res5; parameters carry torchvision's names.

    Args:
        depth: 18, 34 or 50.
        in_channels: channels of the video. Given ``weights``, those of the first convolution are averaged over
            colours, so that a video with the same values in all channels has the features of that grey picture.
        num_stages: layers that are kept, 1 to 4.
        weights: torchvision's ``ResNet50_Weights`` or their name, such as ``"IMAGENET1K_V2"``; ``None``: random.

    Shapes:
        - **x:** clips :math:`(B, T, C, H, W)` or frames :math:`(F, C, H, W)`
        - **output:** :math:`(B, T, C', H / 32, W / 32)` or :math:`(F, C', H / 32, W / 32)`

    Example:
        >>> import torch
        >>> net = resnet(18, num_stages=3)
        >>> net(torch.randn(2, 4, 3, 64, 64)).shape
        torch.Size([2, 4, 256, 4, 4])
        >>> [stage.name for stage in net.info]
        ['stem', 'layer1', 'layer2', 'layer3']
    """
    stages = resnet_stages(depth, in_channels, num_stages, weights)
    return StagedBackbone(in_channels, stages, resnet_info(stages))


def resnet_stages(depth: int, in_channels: int, num_stages: int, weights: Weights) -> dict[str, nn.Sequential]:
    """The stem and the first layers of torchvision's ResNet."""
    check_option("depth", depth, (18, 34, 50))
    check_option("num_stages", num_stages, range(1, 5))
    if in_channels < 1:
        raise ValueError(f"Expected 'in_channels' of at least 1 (got {in_channels})")
    from torchvision.models import get_model

    net = get_model(f"resnet{depth}", weights=_check_weights(depth, weights))
    if in_channels != 3:
        net.conv1 = _first_conv(net.conv1, in_channels, trained=weights is not None)
    stem = OrderedDict((name, getattr(net, name)) for name in ("conv1", "bn1", "relu", "maxpool"))
    return {"stem": nn.Sequential(stem)} | {name: getattr(net, name) for name in LAYERS[:num_stages]}


def resnet_info(stages: Mapping[str, nn.Sequential], time_strides: Mapping[str, int] | None = None) -> list[Stage]:
    """Channels and strides of torchvision's layers; ``time_strides`` names the layers that stride in time too."""
    info = [Stage("stem", 64, 4)]
    for i, name in enumerate(list(stages)[1:]):
        time_stride = info[-1].time_stride * (time_strides or {}).get(name, 1)
        info.append(Stage(name, 64 * 2**i * stages[name][0].expansion, 4 * 2**i, time_stride))
    return info


def _check_weights(depth: int, weights: Weights) -> Weights:
    """The entry of torchvision's enum that ``weights`` names, or an error that lists all of them."""
    from torchvision.models import get_model_weights

    known = get_model_weights(f"resnet{depth}")
    if weights is None or isinstance(weights, known):
        return weights
    name = weights.removeprefix(f"{known.__name__}.") if isinstance(weights, str) else str(weights)
    check_option("weights", name, (*(entry.name for entry in known), "DEFAULT"))
    return known[name]


def _first_conv(conv: nn.Conv2d, in_channels: int, *, trained: bool) -> nn.Conv2d:
    """A first convolution for another number of channels, alike on pictures whose channels are all the same."""
    first = nn.Conv2d(in_channels, conv.out_channels, 7, stride=2, padding=3, bias=False)
    if trained:
        mean = conv.weight.detach().sum(dim=1, keepdim=True) / in_channels
        first.weight = nn.Parameter(mean.repeat(1, in_channels, 1, 1))
    else:
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    return first
