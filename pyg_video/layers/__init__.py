"""Graph layers: message passing in space, recurrence in time, readouts, and the residual block."""

from .attention import AdditiveAttention, Attention, DotAttention, MeanAttention
from .block import GraphBlock
from .norm import FrameNorm
from .position import GaussianPosition, KernelEmbedding
from .readout import ToMap, ToVector
from .rstg import RSTG
from .scan import scan
from .space import SpaceConv
from .time import State, TemporalRNN

__all__ = [
    "RSTG",
    "AdditiveAttention",
    "Attention",
    "DotAttention",
    "FrameNorm",
    "GaussianPosition",
    "GraphBlock",
    "KernelEmbedding",
    "MeanAttention",
    "SpaceConv",
    "State",
    "TemporalRNN",
    "ToMap",
    "ToVector",
    "scan",
]
