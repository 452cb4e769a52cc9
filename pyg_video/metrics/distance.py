"""Distance between regions and objects."""

from typing import Any

import torch
from torch import Tensor

from .._checks import check_option
from .base import RegionMetric, Scene, Terms


class RegionObjectDistance(RegionMetric):
    r"""Mean distance between the centres of regions and objects (DyReg-GNN, Duta et al., NeurIPS 2021, section 4.1).

    .. math:: \frac{1}{|\mathcal{O}|} \sum_{m \in \mathcal{O}} \min_n \lVert p_m - c_n \rVert_2

    for regions :math:`c_n` and objects :math:`p_m` of a frame, over the objects of all frames; coordinates are
    fractions of the frame's sides, so the distance is normalised by the size of the input. The paper's text does not
    specify the matching, which is defined in its supplementary material. Here ``match="object"`` measures whether every
    object has a region, ``"region"`` whether every region is at an object, and ``"both"`` is the mean of the two (a
    Chamfer distance).

    For an object at a uniformly random position, the nearest cell of a 3 x 3 grid is 0.128 away, the nearest of nine
    random regions 0.184, and the centre of the frame 0.383.

    Args:
        match: ``"object"``: to every object the nearest region; ``"region"``: to every region the nearest object;
            ``"both"``.
        **kwargs: see :class:`RegionMetric`. Objects of frames without a region are left out, and vice versa.

    Example:
        >>> metric = RegionObjectDistance()
        >>> regions = torch.tensor([[0.1, 0.1, 0.2, 0.2], [0.9, 0.5, 0.2, 0.2]])
        >>> objects = torch.tensor([[0.1, 0.2, 0.1, 0.1]])
        >>> metric.update(regions[None, None], objects[None, None])
        >>> metric.compute()
        tensor(0.1000)
    """

    higher_is_better = False

    def __init__(self, match: str = "object", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_option("match", match, ("object", "region", "both"))
        self.match = match

    def measure(self, scene: Scene) -> Terms:
        distance = scene.distance  # [B, T, M, N]
        of_object = distance.amin(-1)
        of_region = distance.masked_fill(~scene.has_object[..., None], torch.inf).amin(-2)
        count_objects = scene.has_object & of_object.isfinite()
        count_regions = scene.has_region & of_region.isfinite()
        if self.match == "object":
            return Terms.mean(of_object, count_objects)
        if self.match == "region":
            return Terms.mean(of_region, count_regions)
        both = (_mean(of_object, count_objects) + _mean(of_region, count_regions)) / 2  # [B, T]
        return Terms.mean(both, count_objects.any(-1))


def _mean(value: Tensor, there: Tensor) -> Tensor:
    """Mean over the present entries of the last dimension."""
    return value.masked_fill(~there, 0.0).sum(-1) / there.sum(-1).clamp(min=1)
