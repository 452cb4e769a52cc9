"""Graph layers: message passing in space, recurrence in time, readouts, and the residual block."""

from .attention import AdditiveAttention, Attention, DotAttention, MeanAttention
from .block import GraphBlock
from .conv_lstm import ConvLSTM, MapState
from .graph import AllPairs, OnNodes
from .homogeneous import HomogeneousGraph
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
    "ConvLSTM",
    "DotAttention",
    "FrameNorm",
    "GaussianPosition",
    "GraphBlock",
    "HomogeneousGraph",
    "KernelEmbedding",
    "MapState",
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
