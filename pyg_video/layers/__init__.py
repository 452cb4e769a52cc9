"""Graph layers: message passing in space, recurrence in time, readouts, and the residual block."""

from .attention import AdditiveAttention, Attention, DotAttention, MeanAttention
from .block import GraphBlock
from .conv_lstm import ConvLSTM, MapState
from .graph import ApplyToNodes, ConnectAllPairs
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
    "ApplyToNodes",
    "Attention",
    "BatchNorm",
    "ClipNorm",
    "ConnectAllPairs",
    "ConvLSTM",
    "DotAttention",
    "FrameNorm",
    "GaussianPosition",
    "GraphBlock",
    "HomogeneousGraph",
    "KernelEmbedding",
    "MapState",
    "MeanAttention",
    "SpaceConv",
    "State",
    "TablePosition",
    "TemporalRNN",
    "ToMap",
    "ToVector",
    "scan",
]
