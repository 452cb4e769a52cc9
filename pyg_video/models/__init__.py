"""Whole models: a backbone, graph blocks, a head; by hand or by name."""

from .backbones import (
    c2d_resnet50,
    i3d_resnet50,
    non_local_resnet50,
    resnet18_multi_sync_mnist,
    tsm_resnet18,
    tsm_resnet50,
)
from .baselines import cnn_sync_mnist, conv_lstm_sync_mnist, i3d_sync_mnist, non_local_sync_mnist
from .classifier import ModelRecipe, Option, VideoClassifier
from .cost import Cost, Latency, MultiplyAdds, model_cost
from .dyreg import dyreg_gnn_sync_mnist, dyreg_processor
from .dyreg_block import dyreg_block
from .dyreg_other_resnets import dyreg_i3d_resnet50, dyreg_tsm_resnet18
from .dyreg_resnet import dyreg_gnn_multi_sync_mnist, dyreg_tsm_resnet50
from .feature_layout import Layout
from .frozen_features import FrozenFeatures
from .graph_on_features import graph_on_features
from .heads import GraphHead, PoolHead, SumHead
from .insert import insert_block
from .insert_blocks import BlockInsertion, insert_blocks, remove_blocks
from .node_builders import graph_sync_mnist
from .regions import BlockRegions, capture_graphs, capture_maps, find_builders, find_graphs, model_regions
from .registry import create_model, list_models, model_options, register_model
from .rstg import rstg_sync_mnist
from .rstg_resnet import rstg_resnet50

__all__ = [
    "BlockInsertion",
    "BlockRegions",
    "Cost",
    "FrozenFeatures",
    "GraphHead",
    "Latency",
    "Layout",
    "ModelRecipe",
    "MultiplyAdds",
    "Option",
    "PoolHead",
    "SumHead",
    "VideoClassifier",
    "c2d_resnet50",
    "capture_graphs",
    "capture_maps",
    "cnn_sync_mnist",
    "conv_lstm_sync_mnist",
    "create_model",
    "dyreg_block",
    "dyreg_gnn_multi_sync_mnist",
    "dyreg_gnn_sync_mnist",
    "dyreg_i3d_resnet50",
    "dyreg_processor",
    "dyreg_tsm_resnet18",
    "dyreg_tsm_resnet50",
    "find_builders",
    "find_graphs",
    "graph_on_features",
    "graph_sync_mnist",
    "i3d_resnet50",
    "i3d_sync_mnist",
    "insert_block",
    "insert_blocks",
    "list_models",
    "model_cost",
    "model_options",
    "model_regions",
    "non_local_resnet50",
    "non_local_sync_mnist",
    "register_model",
    "remove_blocks",
    "resnet18_multi_sync_mnist",
    "rstg_resnet50",
    "rstg_sync_mnist",
    "tsm_resnet18",
    "tsm_resnet50",
]
