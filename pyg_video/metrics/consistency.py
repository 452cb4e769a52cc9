"""Temporal consistency of regions."""

from typing import Any

import torch

from .._checks import check_option
from .base import RegionMetric, Scene, Terms


class TemporalConsistency(RegionMetric):
    r"""Whether a region stays with its object from frame to frame.

    The region of an object is the nearest one (several if they tie). Over all objects that are present in two
    consecutive frames:

    - ``of="identity"``: fraction whose nearest region is the same in both. One minus it is the mismatch rate of CLEAR
      MOT (Bernardin and Stiefelhagen, 2008), with the nearest region instead of a one-to-one matching. Static regions
      keep objects that move little.
    - ``of="motion"``, our own metric: how much of the object's motion its nearest region follows,

      .. math:: 1 - \frac{\sum \lVert (c_{t+1} - c_t) - (p_{t+1} - p_t) \rVert}{\sum \lVert p_{t+1} - p_t \rVert}

      It is 1 for regions that move exactly with their objects, 0 for regions that stand still, and negative for
      regions whose motion adds to the error; NaN where no object moves.

    Both are 1 when some region follows each object at whatever constant offset.

    Args:
        of: ``"identity"`` or ``"motion"``.
        **kwargs: see :class:`RegionMetric`.

    Example:
        >>> metric = TemporalConsistency(of="motion")
        >>> objects = torch.tensor([[0.2, 0.5, 0.1, 0.1], [0.3, 0.5, 0.1, 0.1]]).view(1, 2, 1, 4)
        >>> halfway = torch.tensor([[0.2, 0.5, 0.1, 0.1], [0.25, 0.5, 0.1, 0.1]]).view(1, 2, 1, 4)
        >>> metric.update(halfway, objects)
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True

    def __init__(self, of: str = "identity", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_option("of", of, ("identity", "motion"))
        self.of = of

    def measure(self, scene: Scene) -> Terms:
        distance = scene.distance  # [B, T, M, N]
        nearest = (distance <= distance.amin(-1, keepdim=True)) & distance.isfinite()
        there = scene.has_object[:, 1:] & scene.has_object[:, :-1] & nearest.any(-1)[:, :-1]  # [B, T - 1, M]
        if self.of == "identity":
            return Terms.mean((nearest[:, 1:] & nearest[:, :-1]).any(-1).to(distance.dtype), there)
        step = scene.objects[..., :2].diff(dim=1)  # [B, T - 1, M, 2]
        error = (scene.box[..., None, :, :2].diff(dim=1) - step[..., None, :]).norm(dim=-1)  # [B, T - 1, M, N]
        stays = scene.has_region[:, 1:] & scene.has_region[:, :-1]
        error = error.masked_fill(~(nearest[:, :-1] & stays[..., None, :]), torch.inf).amin(-1)
        way = step.norm(dim=-1)
        return Terms(way - error, way, there & error.isfinite())
