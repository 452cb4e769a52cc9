"""Every way to make nodes from a feature map, behind one interface."""

from .anchors import SalientAnchors
from .base import GraphBuilder
from .box import BoxGraph
from .cluster import ClusterGraph
from .connect import CONNECT, AttentionEdges, CompleteEdges, Edges, NearestEdges, OverlapEdges
from .grid import GridGraph
from .region import RegionGraph
from .region_generators import FullyConnectedGenerator, HourGlass, LearnedVectors, PooledGenerator
from .resolve import REGION_BUILDERS, list_builders, resolve_builder
from .saliency import SaliencyGraph
from .semantic import SemanticGraph
from .slots import SlotAttention, SlotGraph
from .superpixel import SuperpixelGraph
from .token_learner import TokenLearnerGraph

__all__ = [
    "CONNECT",
    "REGION_BUILDERS",
    "AttentionEdges",
    "BoxGraph",
    "ClusterGraph",
    "CompleteEdges",
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
    "TokenLearnerGraph",
    "list_builders",
    "resolve_builder",
]
