"""Blocks inside the backbones of the papers, whatever their parts take: clips, frames or volumes."""

from collections import OrderedDict

from torch import Tensor, nn

from ..backbones import ClipStage, StagedBackbone, VolumeStage
from .insert import insert_block


class OnVolumes(nn.Module):
    """A block on clips, inside a part of a backbone that sees volumes.

    Args:
        block: a module on clips :math:`(B, T, C, H, W)`.

    Shapes:
        - **x:** :math:`(B, C, T, H, W)`
        - **output:** :math:`(B, C, T, H, W)`
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.transpose(1, 2)).transpose(1, 2)


def place_block(backbone: StagedBackbone, path: str, block: nn.Module) -> None:
    """:func:`~pyg_video.models.insert_block` for any of our ResNets, C2D and I3D as well, in place.

    Args:
        backbone: what the block goes into.
        path: dotted path of the part that the block follows: a residual block such as ``"layer3.4"``; in TSM and I3D
            also a convolution in it, such as ``"layer3.4.conv2"``.
        block: a module on clips :math:`(B, T, C, H, W)` that keeps their shape.

    Example:
        >>> import torch
        >>> from pyg_video.backbones import NonLocal, i3d_resnet
        >>> net, x = i3d_resnet(18).eval(), torch.randn(1, 4, 3, 32, 32)
        >>> before = net(x)
        >>> place_block(net, "layer2.1", NonLocal(128))  # the identity at first
        >>> torch.equal(net(x), before)
        True
    """
    name, _, inside = path.partition(".")
    stage = dict(backbone.stages.items()).get(name)
    if isinstance(stage, VolumeStage) and inside:
        _place_in_volumes(stage, inside, block)
        return
    if type(stage) is nn.Sequential and inside:  # of frames: the block needs the clip
        backbone.stages[name] = ClipStage(OrderedDict(stage.named_children()))
    insert_block(backbone, path, block)


def _place_in_volumes(stage: VolumeStage, path: str, block: nn.Module) -> None:
    if getattr(block, "takes_boxes", False):
        raise ValueError(
            "Expected a block that finds its regions by itself inside I3D (got one on given boxes); use TSM"
        )
    owner, _, name = path.rpartition(".")
    try:
        around = stage.get_submodule(owner)
        part = around.get_submodule(name)
    except AttributeError as error:
        raise ValueError(
            f"Expected 'path' of a part of the stage {', '.join(stage._modules)} (got '{path}')"
        ) from error
    setattr(around, name, VolumeStage(part, block) if around is stage else nn.Sequential(part, OnVolumes(block)))
