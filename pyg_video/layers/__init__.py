"""Graph layers: message passing in space, recurrence in time, readouts, and the residual block."""

from .attention import AdditiveAttention, Attention, DotAttention, MeanAttention
from .block import GraphBlock
from .graph import AllPairs, OnNodes
from .norm import BatchNorm, ClipNorm, FrameNorm
from .position import GaussianPosition, KernelEmbedding, TablePosition
from .readout import ToMap, ToVector
from .rstg import RSTG
from .scan import scan
from .space import SpaceConv
from .time import State, TemporalRNN

__all__ = [
    "RSTG",
    "AdditiveAttention",
    "AllPairs",
    "Attention",
    "BatchNorm",
    "ClipNorm",
    "DotAttention",
    "FrameNorm",
    "GaussianPosition",
    "GraphBlock",
    "KernelEmbedding",
    "MeanAttention",
    "OnNodes",
    "SpaceConv",
    "State",
    "TablePosition",
    "TemporalRNN",
    "ToMap",
    "ToVector",
    "scan",
]
