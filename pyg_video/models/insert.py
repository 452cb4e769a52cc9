"""Blocks inside a backbone."""

from torch import nn

from ..backbones import ClipStage, ShiftedBlock, StagedBackbone


def insert_block(backbone: StagedBackbone, path: str, block: nn.Module) -> None:
    """Put a block on clips behind a part of a backbone, in place.

    The part's weights get the name ``"0"`` behind their path, the block's ``"1"``.

    Args:
        backbone: what the block goes into.
        path: dotted path of the part from the stage on: a stage, one of its residual blocks, or a convolution in a
            residual block that sees clips, such as ``"layer3.4.conv2"`` of :func:`~pyg_video.backbones.tsm_resnet`.
        block: a module on clips :math:`(B, T, C, H, W)` that keeps their shape, such as a
            :class:`~pyg_video.layers.GraphBlock`.

    Raises:
        ValueError: there is no such part, the part around it does not know which frames make a clip, or the block has
            other channels.

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
    if around is not backbone.stages and not isinstance(around, (ClipStage, ShiftedBlock)):
        raise ValueError(
            f"Expected a part inside one that takes clips (got '{path}', inside a {type(around).__name__}, which sees "
            "folded frames); choose a whole stage, or a backbone like tsm_resnet"
        )
    expected, given = getattr(part, "out_channels", None), getattr(block, "channels", None)
    if expected is not None and given is not None and expected != given:
        raise ValueError(f"Expected a block of {expected} channels behind '{path}' (got {given})")
    setattr(around, name, ClipStage(part, block))
