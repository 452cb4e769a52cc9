"""Whole models: a backbone, graph blocks, a head; by hand or by name."""

from .class_path import UnknownModelError
from .classifier import ModelRecipe, Option, VideoClassifier
from .digits import cnn_sync_mnist, conv_lstm_sync_mnist, i3d_sync_mnist, non_local_sync_mnist
from .dyreg import (
    dyreg_gnn_multi_sync_mnist,
    dyreg_gnn_sync_mnist,
    dyreg_i3d_resnet50,
    dyreg_resnet,
    dyreg_tsm_resnet18,
    dyreg_tsm_resnet50,
    graph_on_features,
    graph_sync_mnist,
)
from .dyreg_block import dyreg_block, dyreg_processor
from .foreign import ForeignClassifier, foreign_model
from .heads import GraphHead, PoolHead, SumHead
from .registry import create_model, list_models, model_options, register_model, register_variant
from .resnets import (
    c2d_resnet50,
    i3d_resnet50,
    non_local_resnet50,
    resnet18_multi_sync_mnist,
    tsm_resnet18,
    tsm_resnet50,
    video_resnet,
)
from .rstg import rstg_resnet50, rstg_sync_mnist
from .zoo import zoo_model

__all__ = [
    "ForeignClassifier",
    "GraphHead",
    "ModelRecipe",
    "Option",
    "PoolHead",
    "SumHead",
    "UnknownModelError",
    "VideoClassifier",
    "c2d_resnet50",
    "cnn_sync_mnist",
    "conv_lstm_sync_mnist",
    "create_model",
    "dyreg_block",
    "dyreg_gnn_multi_sync_mnist",
    "dyreg_gnn_sync_mnist",
    "dyreg_i3d_resnet50",
    "dyreg_processor",
    "dyreg_resnet",
    "dyreg_tsm_resnet18",
    "dyreg_tsm_resnet50",
    "foreign_model",
    "graph_on_features",
    "graph_sync_mnist",
    "i3d_resnet50",
    "i3d_sync_mnist",
    "list_models",
    "model_options",
    "non_local_resnet50",
    "non_local_sync_mnist",
    "register_model",
    "register_variant",
    "resnet18_multi_sync_mnist",
    "rstg_resnet50",
    "rstg_sync_mnist",
    "tsm_resnet18",
    "tsm_resnet50",
    "video_resnet",
    "zoo_model",
]
