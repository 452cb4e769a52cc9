"""Blocks inside a backbone whose parts see clips, folded frames or volumes."""

from collections import OrderedDict

from torch import Tensor, nn

from ..layers import accepted_info
from .stages import ClipStage, StagedBackbone, VolumeStage
from .temporal_shift import ShiftedBlock


def insert_block(backbone: StagedBackbone, path: str, block: nn.Module) -> None:
    """Insert a block on clips behind a part of a backbone, in place.

    The part's weights get the name ``"0"`` behind their path, the block's ``"1"``.

    Args:
        backbone: the backbone to change.
        path: dotted path of the part from the stage on: a stage, one of its residual blocks such as ``"layer3.4"``, or,
            in TSM and I3D, a convolution in a residual block such as ``"layer3.4.conv2"``.
        block: a module on clips :math:`(B, T, C, H, W)` that keeps their shape, such as a
            :class:`~pyg_video.layers.GraphBlock`.

    Raises:
        ValueError: there is no such part, the part around it does not know which frames make a clip, the block has
            other channels, or it needs boxes where none can reach it.

    Example:
        >>> import torch
        >>> from pyg_video.backbones import NonLocal, tsm_resnet
        >>> net, x = tsm_resnet(18).eval(), torch.randn(1, 2, 3, 32, 32)
        >>> before = net(x)
        >>> insert_block(net, "layer2.1.conv1", NonLocal(128))  # the identity at first
        >>> torch.equal(net(x), before)
        True
    """
    owner, _, name = path.rpartition(".")
    try:
        around = backbone.stages.get_submodule(owner)
        part = around.get_submodule(name)
    except AttributeError as error:
        raise ValueError(
            f"Expected 'path' of a part of the backbone, under {', '.join(backbone.stages)} (got '{path}')"
        ) from error
    channels = {stage.name: stage.channels for stage in backbone.info}
    expected, given = getattr(part, "out_channels", channels.get(path)), getattr(block, "channels", None)
    if expected is not None and given is not None and expected != given:
        raise ValueError(f"Expected a block of {expected} channels behind '{path}' (got {given})")
    stage = backbone.stages[path.partition(".")[0]]
    if around is stage and type(stage) is nn.Sequential:  # of folded frames: the block needs the clip
        around = ClipStage(OrderedDict(stage.named_children()))
        backbone.stages[owner] = around
    if around is backbone.stages or isinstance(around, (ClipStage, ShiftedBlock)):
        setattr(around, name, ClipStage(part, block))
    elif isinstance(around, VolumeStage):
        setattr(around, name, VolumeStage(part, block))
    elif isinstance(stage, VolumeStage):
        if "box" in accepted_info(block):
            raise ValueError(
                f"Expected a block that finds its regions by itself at '{path}' (got one on given boxes, which do not "
                "reach the inside of a residual block on volumes); choose the residual block"
            )
        setattr(around, name, nn.Sequential(part, VolumeBlock(block)))
    else:
        raise ValueError(
            f"Expected a part inside one that takes clips (got '{path}', inside a {type(around).__name__}, which sees "
            "folded frames); choose a residual block or a stage, or a backbone like tsm_resnet"
        )


class VolumeBlock(nn.Module):
    """A block on clips as a module on volumes :math:`(B, C, T, H, W)`."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.transpose(1, 2)).transpose(1, 2)
