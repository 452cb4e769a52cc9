"""DyReg-GNN as its authors released it: the whole TSM-ResNet-50, from their file."""

import os
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from ..._checks import first_line
from ...layers import GraphBlock
from ...models import VideoClassifier, create_model
from .dyreg_block import DyRegOptions, check_dyreg_constants, dyreg_anchors, dyreg_entries, dyreg_options
from .translation import Entry, translate
from .tsm import plain_name, tsm_entries

_PLACES = {"layer2": "layer2.2", "layer3": "layer3.4", "layer4": "layer4.1"}  # residual blocks with a graph inside
_MAPS = {"layer2": (128, 28), "layer3": (256, 14), "layer4": (512, 7)}  # channels, and side of the map at 224 x 224


def load_published_dyreg(path: str | os.PathLike[str]) -> VideoClassifier:
    """The Something-Something classifier of DyReg-GNN's released code, in evaluation mode on the CPU.

    The file is a dict with ``state_dict``, as the released training writes it, and is read without running code in it.
    The model is ``dyreg_tsm_resnet50``, with the blocks that the file has, for clips of 16 frames of 224 x 224, or of
    256 x 256 ("full resolution"), where regions and positions are pooled to the size trained on.

    Args:
        path: the file, such as ``"dyreg_gnn_model_l2l3l4.pth.tar"``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds objects other than tensors and plain values, or weights of other names
            or shapes.
    """
    weights = {_newer_name(name): tensor for name, tensor in _read(path).items()}
    prefixes = {stage: f"base_model.{place}.conv2.1." for stage, place in _PLACES.items()}
    stages = tuple(s for s in _PLACES if any(name.startswith(prefixes[s]) for name in weights)) or tuple(_PLACES)
    options = {stage: _block_options(stage, weights, prefixes[stage]) for stage in stages}
    anchors = options[stages[0]].init_regions
    classes = weights["new_fc.bias"].numel() if "new_fc.bias" in weights else 174
    model = create_model("dyreg_tsm_resnet50", num_classes=classes, stages=stages, anchors=anchors)

    entries = list(_backbone_entries(model))
    for stage, o in options.items():
        ours = f"backbone.stages.{_PLACES[stage]}.conv2.1"
        block = model.get_submodule(ours)
        assert isinstance(block, GraphBlock)
        entries += dyreg_entries(o, block, prefixes[stage], f"{ours}.")
    model.load_state_dict(translate(weights, entries, model.state_dict(), "the released DyReg-GNN TSM-ResNet-50"))
    for stage, o in options.items():
        check_dyreg_constants(weights, o._replace(init_regions=anchors), prefixes[stage])
    return model.eval()


def _block_options(stage: str, weights: Mapping[str, Tensor], prefix: str) -> DyRegOptions:
    channels, side = _MAPS[stage]
    width = min(channels, 256)
    o = dyreg_options({"backbone_dim": channels, "node_dim": width, "project_i3d": width < channels, "H": side})
    known = {f"{prefix}dynamic_graph.p{axis}_buf" for axis in "hw"} <= weights.keys()
    return o._replace(init_regions=dyreg_anchors(weights, o, prefix) or "center") if known else o


def _backbone_entries(model: VideoClassifier) -> Iterator[Entry]:
    """Everything outside of the blocks, which are the second parts of their places."""
    for entry in tsm_entries({name: tensor for name, tensor in model.state_dict().items() if ".conv2.1." not in name}):
        yield entry._replace(name=entry.name.replace(".conv2.0.", ".conv2.0.block."))


def _newer_name(name: str) -> str:
    """A plain name; the released code's evaluation numbers a block's two parts, too."""
    name = re.sub(r"\.conv2\.(dynamic_graph|norm_dict)\.", r".conv2.1.\1.", plain_name(name))
    return name.replace(".conv2.block.", ".conv2.0.block.")


def _read(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state dict in a file of tensors and plain values, a namespace of options and NumPy numbers among them."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Expected 'path' to be a checkpoint file (got '{path}', which is none)")
    try:
        with safe_globals([Namespace, *_numpy_numbers()]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its first wrong byte leads to
        raise ValueError(
            f"Expected a whole checkpoint of tensors and plain values (got '{path}': {first_line(error)})"
        ) from error
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise ValueError(f"Expected a dict with 'state_dict', names to tensors (got '{path}' without)")
    return weights


def _numpy_numbers() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """The classes in a pickled NumPy number, under the names of NumPy 2 and 1."""
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]
