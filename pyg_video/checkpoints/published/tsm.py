"""TSM as its authors published it."""

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from ...backbones import tsm_resnet
from ...models import PoolHead, VideoClassifier
from .translation import Entry, translate

_DEPTHS = {(2, 2, 2, 2): (18, 18), (3, 4, 6, 3): (34, 50)}  # by blocks of each layer; of two and three convolutions


def load_published_tsm(weights: Mapping[str, Tensor], *, shift_div: int = 8, online: bool = False) -> VideoClassifier:
    """The classifier with weights of the published code of TSM (Lin et al., ICCV 2019).

    Depth and number of classes are read off the weights. The mean over frames comes before the linear layer here and
    after it there, which is equivalent.

    Args:
        weights: tensors under the published names, such as ``"module.base_model.layer1.0.conv1.net.weight"``.
        shift_div: one channel in ``shift_div`` is shifted from each side.
        online: whether channels are shifted from the previous frame only.

    Raises:
        ValueError: a weight is missing, unexpected or of a wrong shape; names it.
    """
    weights = {plain_name(name): tensor for name, tensor in weights.items()}
    if "new_fc.weight" not in weights:
        raise ValueError("Expected the weights of a published TSM, with 'new_fc.weight' (got them without)")
    backbone = tsm_resnet(_depth(weights), shift_div=shift_div, online=online)
    model = VideoClassifier(backbone, PoolHead(backbone.info[-1].channels, len(weights["new_fc.weight"])))
    own = model.state_dict()
    model.load_state_dict(translate(weights, tsm_entries(own), own, "a published TSM-ResNet"))
    return model.eval()


def plain_name(name: str) -> str:
    """A published name without the prefix of parallel training and the mark of a shift.

    Example:
        >>> plain_name("module.base_model.layer1.0.conv1.net.weight")
        'base_model.layer1.0.conv1.weight'
    """
    return name.removeprefix("module.").replace(".conv1.net.", ".conv1.")


def tsm_entries(own: Mapping[str, Tensor]) -> Iterator[Entry]:
    """The published weight, under its plain name, of each of our tensors."""
    for ours, tensor in own.items():
        name = re.sub(r"^backbone\.stages\.(stem\.)?", "base_model.", ours).replace("head.linear.", "new_fc.")
        yield Entry(name, (tuple(tensor.shape),), (ours,))


def _depth(weights: Mapping[str, Tensor]) -> int:
    """18, 34 or 50, by the blocks of each layer and their convolutions."""
    blocks = {match.groups() for name in weights if (match := re.search(r"\.layer(\d)\.(\d+)\.conv1\.weight$", name))}
    counts = tuple(sum(layer == str(i) for layer, _ in blocks) for i in range(1, 5))
    if counts not in _DEPTHS:
        raise ValueError(f"Expected the weights of ResNet-18, 34 or 50 (got layers of {counts} blocks)")
    return _DEPTHS[counts]["base_model.layer1.0.conv3.weight" in weights]
