"""TSM as its authors published it."""

import re
from collections.abc import Mapping

from torch import Tensor

from ...backbones import tsm_resnet
from ...models import PoolHead, VideoClassifier

_LAYER_BLOCKS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34}


def load_published_tsm(weights: Mapping[str, Tensor], *, shift_div: int = 8, online: bool = False) -> VideoClassifier:
    """The classifier whose weights the code of TSM (Lin et al., ICCV 2019) wrote.

    Depth and number of classes are read off the weights. The mean over frames comes before the linear layer here, and
    after it there, which is the same.

    Args:
        weights: tensors under the published names, such as ``"module.base_model.layer1.0.conv1.net.weight"``.
        shift_div: one channel in so many moves from each side; no weight tells it.
        online: only from the frame before.

    Raises:
        ValueError: the weights are of another net: names that are missing or not known are listed.
    """
    state = {published_tsm_name(name): tensor for name, tensor in weights.items()}
    if "head.linear.weight" not in state:
        raise ValueError("Expected the weights of a published TSM, with 'new_fc.weight' (got them without)")
    backbone = tsm_resnet(_depth(state), shift_div=shift_div, online=online)
    model = VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, len(state["head.linear.weight"])))
    expected = model.state_dict()
    for problem, names in (("without", expected.keys() - state.keys()), ("with", state.keys() - expected.keys())):
        if names:
            raise ValueError(
                f"Expected exactly the weights of a TSM-ResNet (got them {problem} {', '.join(sorted(names))})"
            )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(f"Expected '{name}' of shape {list(expected[name].shape)} (got {list(tensor.shape)})")
    model.load_state_dict(state)
    return model.eval()


def published_tsm_name(name: str) -> str:
    """The name of a weight in our :class:`~pyg_video.models.VideoClassifier`, given the published one.

    Example:
        >>> published_tsm_name("module.base_model.layer1.0.conv1.net.weight")
        'backbone.stages.layer1.0.conv1.weight'
        >>> published_tsm_name("base_model.bn1.bias")
        'backbone.stages.stem.bn1.bias'
        >>> published_tsm_name("module.new_fc.bias")
        'head.linear.bias'
    """
    name = name.removeprefix("module.")
    name = re.sub(r"^new_fc\.", "head.linear.", name)
    name = re.sub(r"^base_model\.(conv1|bn1)\.", r"backbone.stages.stem.\1.", name)
    name = re.sub(r"^base_model\.(layer\d)\.", r"backbone.stages.\1.", name)
    return name.replace(".conv1.net.", ".conv1.")


def _depth(state: Mapping[str, Tensor]) -> int:
    """18, 34 or 50, by the blocks of each layer and their convolutions."""
    blocks = {match.groups() for name in state if (match := re.search(r"\.layer(\d)\.(\d+)\.conv1\.weight$", name))}
    counts = tuple(sum(layer == str(i) for layer, _ in blocks) for i in range(1, 5))
    if counts not in _LAYER_BLOCKS:
        raise ValueError(f"Expected the weights of ResNet-18, 34 or 50 (got layers of {counts} blocks)")
    return 50 if "backbone.stages.layer1.0.conv3.weight" in state else _LAYER_BLOCKS[counts]
