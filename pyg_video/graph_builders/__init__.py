"""Every way to make nodes from a feature map, behind one interface."""

from .anchors import SalientAnchors
from .base import GraphBuilder
from .box import BoxGraph
from .cluster import ClusterGraph
from .connect import CONNECT, AttentionEdges, CompleteEdges, Edges, NearestEdges, OverlapEdges
from .connect_in_time import (
    TIME_RULES,
    ConnectInTime,
    TimeRule,
    TimeWindow,
    all_nodes,
    connect_in_time,
    nearest_nodes,
    overlapping_nodes,
    same_node,
    tracked_nodes,
)
from .grid import GridGraph
from .region import RegionGraph
from .region_generators import FullyConnectedGenerator, HourGlass, LearnedVectors, PooledGenerator
from .resolve import REGION_BUILDERS, list_builders, resolve_builder
from .saliency import SaliencyGraph
from .semantic import SemanticGraph
from .slots import SlotAttention, SlotGraph
from .superpixel import SuperpixelGraph
from .token_learner import TokenLearnerGraph
from .tracks import TrackNodes

__all__ = [
    "CONNECT",
    "REGION_BUILDERS",
    "TIME_RULES",
    "AttentionEdges",
    "BoxGraph",
    "ClusterGraph",
    "CompleteEdges",
    "ConnectInTime",
    "Edges",
    "FullyConnectedGenerator",
    "GraphBuilder",
    "GridGraph",
    "HourGlass",
    "LearnedVectors",
    "NearestEdges",
    "OverlapEdges",
    "PooledGenerator",
    "RegionGraph",
    "SaliencyGraph",
    "SalientAnchors",
    "SemanticGraph",
    "SlotAttention",
    "SlotGraph",
    "SuperpixelGraph",
    "TimeRule",
    "TimeWindow",
    "TokenLearnerGraph",
    "TrackNodes",
    "all_nodes",
    "connect_in_time",
    "list_builders",
    "nearest_nodes",
    "overlapping_nodes",
    "resolve_builder",
    "same_node",
    "tracked_nodes",
]
