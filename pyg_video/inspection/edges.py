"""A model whose messages all pass along edges."""

import copy
from typing import TypeVar

from torch import nn

from ..layers import DenseSpaceConv

Model = TypeVar("Model", bound=nn.Module)


def on_edges(model: Model) -> Model:
    """A copy of a model in which every ``DenseSpaceConv`` is a ``SpaceConv`` with the same parameters.

    The numbers are the same. PyG's explainers learn a mask over the edges, which only messages along edges obey.

    Example:
        >>> from pyg_video.layers import SpaceConv
        >>> from pyg_video.models import create_model
        >>> model = on_edges(create_model("dyreg_gnn_sync_mnist"))
        >>> [type(part).__name__ for part in model.modules() if isinstance(part, (DenseSpaceConv, SpaceConv))]
        ['SpaceConv']
    """
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, part in module.named_children():
            if isinstance(part, DenseSpaceConv):
                setattr(module, name, part.sparse())
    return model
