"""RSTG as published for SyncMNIST: convolutions, nodes on grids, one vector a clip."""

from torch import nn

from ..graph_builders import GridGraph
from ..layers import RSTG, GaussianPosition, SpaceConv, TemporalRNN, ToVector
from .baselines import digit_backbone
from .classifier import VideoClassifier
from .heads import GraphHead
from .registry import register_model

_POSITION_SIZE = 6  # side of a node's heat map, as published


@register_model
def rstg_sync_mnist(
    num_classes: int = 46,
    *,
    frame: int = 64,
    channels: tuple[int, ...] = (16, 32, 32),
    strides: tuple[int, ...] = (2, 2, 1),
    scales: tuple[int, ...] = (3, 2, 1),
    num_stages: int = 3,
    attention: str = "dot",
    positional: bool = False,
    readout: str = "last",
) -> VideoClassifier:
    """Recurrent Space-time Graph on grids of several scales (Nicolicioiu et al., NeurIPS 2019).

    Args:
        num_classes: number of classes.
        frame: side of the frames.
        channels: channels of each stage of the backbone; nodes have those of the last.
        strides: stride of each stage of the backbone.
        scales: rows (and columns) of each grid of nodes.
        num_stages: iterations of time and space.
        attention: ``"dot"``, ``"multi_head"``, ``"additive"`` or ``"mean"``.
        positional: let the messages see where the nodes are (Positional All-temp).
        readout: nodes of the ``"last"`` frame, or their ``"mean"`` over frames.
    """
    backbone = digit_backbone(frame, channels, strides)
    C = channels[-1]
    space = SpaceConv(C, attention=attention, position_channels=_POSITION_SIZE**2 if positional else 0)
    rstg = RSTG(space, TemporalRNN(C, cell="lstm"), TemporalRNN(C, cell="lstm"), num_stages=num_stages)
    processor = nn.Sequential(GaussianPosition(_POSITION_SIZE), rstg) if positional else rstg
    head = GraphHead(GridGraph(C, scales), processor, channels=C, num_classes=num_classes, readout=ToVector(readout))
    return VideoClassifier(backbone, head)
