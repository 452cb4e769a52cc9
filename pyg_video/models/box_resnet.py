"""The graph of DyReg-GNN on boxes of a detector (table 1 of the paper), by name."""

from ..backbones import tsm_resnet
from .classifier import VideoClassifier
from .dyreg_block import dyreg_block
from .heads import PoolHead
from .registry import register_model

_WIDTHS = {3: 128, 4: 256, 5: 256}  # of the graphs of dyreg_tsm_resnet50, by the paper's stage


@register_model
def box_tsm_resnet50(
    num_classes: int = 174,
    *,
    frame: int = 224,
    stages: tuple[int, ...] = (3, 4, 5),
    num_stages: int = 3,
    residual_scale: float = 0.0,
    weights: str = "",
    shift_div: int = 8,
    dropout: float = 0.0,
) -> VideoClassifier:
    """A TSM-ResNet-50 with graphs on boxes given with the video, such as a detector's: "GNN + Detector".

    The graphs are those of :func:`~pyg_video.models.dyreg_tsm_resnet50`, with up to nine boxes a frame for nodes. They
    follow whole stages, where that model has them inside a residual block: boxes reach blocks between stages only.

    Args:
        num_classes: number of classes.
        frame: side of the frames trained on.
        stages: the stages that a block follows, by the paper's numbers.
        num_stages: iterations of time and space.
        residual_scale: first value of the scale of the blocks' norms, see :class:`~pyg_video.layers.GraphBlock`.
        weights: torchvision's weights to start from, such as ``"IMAGENET1K_V1"``; ``""`` for none.
        shift_div: one channel in so many moves from each side.
        dropout: of the pooled features; 0.5 in the published runs.
    """
    if not stages or len(set(stages)) != len(stages) or not set(stages) <= set(_WIDTHS):
        raise ValueError(f"Expected 'stages' out of 3, 4 and 5, each once (got {stages})")
    backbone = tsm_resnet(50, weights=weights or None, shift_div=shift_div)
    blocks = {}
    for name, channels, stride, _ in (backbone.info[stage - 1] for stage in stages):
        blocks[name] = dyreg_block(
            channels,
            (-(-frame // stride),) * 2,
            builder="box",
            node_channels=_WIDTHS[stride.bit_length() - 1],
            num_stages=num_stages,
            residual_scale=residual_scale,
        )
    head = PoolHead(backbone.info[-1].channels, num_classes, dropout=dropout)
    return VideoClassifier(backbone, head, blocks=blocks)
