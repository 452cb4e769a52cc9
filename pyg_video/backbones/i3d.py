"""C2D and I3D: ResNets on volumes, from pictures by inflation."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from .resnet import Weights, resnet_info, resnet_stages
from .stages import ClipStage, NonCausal, StagedBackbone, VolumeStage
from .volume_conv import VolumeConv

_TIME_STRIDES = {"layer2": 2}


def c2d_resnet(
    depth: int = 50, *, in_channels: int = 3, num_stages: int = 4, weights: Weights = None
) -> StagedBackbone:
    """C2D: a ResNet whose only mixing of frames is a max-pooling after layer1 (Wang et al., CVPR 2018).

    The pooling opens layer2: a block that follows layer1 sees all frames.

    Args:
        depth: 18, 34 or 50.
        in_channels: channels of the video.
        num_stages: layers that are kept, 1 to 4.
        weights: see :func:`~pyg_video.backbones.resnet`.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T / 2, C', H / 32, W / 32)`

    Example:
        >>> import torch
        >>> c2d_resnet(18)(torch.randn(2, 4, 3, 64, 64)).shape
        torch.Size([2, 2, 512, 2, 2])
    """
    stages = resnet_stages(depth, in_channels, num_stages, weights)
    info = resnet_info(stages, _TIME_STRIDES)
    if "layer2" in stages:
        stages["layer2"] = ClipStage(_after_pool(stages["layer2"]))
    return StagedBackbone(in_channels, stages, info)


def i3d_resnet(
    depth: int = 50, *, in_channels: int = 3, num_stages: int = 4, weights: Weights = None
) -> StagedBackbone:
    """I3D: a ResNet with convolutions over time (Carreira and Zisserman, CVPR 2017; Wang et al., CVPR 2018).

    The stem's convolution sees 5 frames. In each residual block of layer1, in every other one of layer2 and layer3
    from the first, and in every other one of layer4 from the second, the first convolution sees 3. A max-pooling
    halves the frames before layer2. Stages and parameters have the names of :func:`~pyg_video.backbones.resnet`.

    Args:
        depth: 18, 34 or 50.
        in_channels: channels of the video.
        num_stages: layers that are kept, 1 to 4.
        weights: torchvision's weights, repeated over time and divided by the frames that the kernel sees: a still video
            has the features of its picture away from the clip's ends.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, T / 2, C', H / 32, W / 32)`

    Example:
        >>> import torch
        >>> i3d_resnet(18)(torch.randn(2, 4, 3, 64, 64)).shape
        torch.Size([2, 2, 512, 2, 2])
    """
    stages = resnet_stages(depth, in_channels, num_stages, weights)
    info = resnet_info(stages, _TIME_STRIDES)
    inflate(stages["stem"], 5)
    for name in list(stages)[1:]:
        for i, block in enumerate(stages[name]):
            inflate(block, _kernel_time(name, i))
    for name, layer in stages.items():
        for conv in layer.modules():
            if weights is None and isinstance(conv, nn.Conv3d) and conv.kernel_size[0] > 1:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as torchvision in 2D
        stages[name] = VolumeStage(_after_pool(layer) if name in _TIME_STRIDES else OrderedDict(layer.named_children()))
    return StagedBackbone(in_channels, stages, info)


def inflate(module: nn.Module, time: int) -> None:
    """Turn the 2D layers inside a module into layers on volumes :math:`(B, C, T, H, W)`, in place.

    The kernel of ``conv1`` is repeated over ``time`` frames and divided by their number; other layers see one frame.
    """
    for name, part in list(module.named_children()):
        if isinstance(part, nn.Conv2d):
            setattr(module, name, _inflated_conv(part, time if name == "conv1" else 1))
        elif isinstance(part, nn.BatchNorm2d):
            norm = nn.BatchNorm3d(part.num_features, part.eps, part.momentum)
            norm.load_state_dict(part.state_dict())
            setattr(module, name, norm)
        elif isinstance(part, nn.MaxPool2d):
            size, stride, padding = _pair(part.kernel_size), _pair(part.stride), _pair(part.padding)
            setattr(module, name, nn.MaxPool3d((1, *size), (1, *stride), (0, *padding)))
        else:
            inflate(part, 1)


class TimePool(NonCausal, nn.Module):
    """Max-pooling over every two frames; an odd last frame stays.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
        - **output:** :math:`(B, \\lceil T / 2 \\rceil, C, H, W)`
    """

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool3d((2, 1, 1), ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x.transpose(1, 2)).transpose(1, 2)


def _after_pool(layer: nn.Sequential) -> "OrderedDict[str, nn.Module]":
    """The parts of a layer after a pooling over time, under their names."""
    return OrderedDict([("pool", TimePool()), *layer.named_children()])


def _inflated_conv(conv: nn.Conv2d, time: int) -> nn.Conv3d:
    kind = VolumeConv if time > 1 and max(conv.stride) > 1 else nn.Conv3d
    (height, width), (down, right) = conv.kernel_size, conv.stride
    padding = (time // 2, *conv.padding)
    volume = kind(conv.in_channels, conv.out_channels, (time, height, width), (1, down, right), padding, bias=False)
    volume.weight = nn.Parameter(conv.weight.detach()[:, :, None].repeat(1, 1, time, 1, 1) / time)
    return volume


def _kernel_time(layer: str, block: int) -> int:
    """Frames that the first convolution of a residual block sees [code]."""
    return 3 if layer == "layer1" or block % 2 == int(layer == "layer4") else 1
