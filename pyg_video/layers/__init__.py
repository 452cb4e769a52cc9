"""Graph layers: message passing in space, recurrence in time, readouts, and the residual block."""

from .attention import AdditiveAttention, Attention, DotAttention, MeanAttention
from .block import GraphBlock, scaled
from .clip_info import ClipInfo, InfoContainer, accepted_info, taken_by
from .conv_lstm import ConvLSTM, MapState
from .dense_space import DenseSpaceConv
from .graph import ApplyToNodes, ConnectAllPairs
from .homogeneous import HomogeneousGraph
from .motion import MotionEdges
from .norm import BatchNorm, ClipNorm, FrameNorm
from .position import GaussianPosition, KernelEmbedding, TablePosition
from .readout import ToMap, ToVector
from .rstg import RSTG
from .scan import detach_state, reset_state, scan
from .space import SpaceConv
from .space_time import SpaceTimeConv
from .stream_step import StreamStep
from .time import State, TemporalRNN

__all__ = [
    "RSTG",
    "AdditiveAttention",
    "ApplyToNodes",
    "Attention",
    "BatchNorm",
    "ClipInfo",
    "ClipNorm",
    "ConnectAllPairs",
    "ConvLSTM",
    "DenseSpaceConv",
    "DotAttention",
    "FrameNorm",
    "GaussianPosition",
    "GraphBlock",
    "HomogeneousGraph",
    "InfoContainer",
    "KernelEmbedding",
    "MapState",
    "MeanAttention",
    "MotionEdges",
    "SpaceConv",
    "SpaceTimeConv",
    "State",
    "StreamStep",
    "TablePosition",
    "TemporalRNN",
    "ToMap",
    "ToVector",
    "accepted_info",
    "detach_state",
    "reset_state",
    "scaled",
    "scan",
    "taken_by",
]
