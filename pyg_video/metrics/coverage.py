"""Coverage of objects by regions."""

from typing import Any

import torch
from torch import Tensor

from .._checks import check_option
from ..functional import box_edges
from .base import RegionMetric, Scene, Terms


class RegionCoverage(RegionMetric):
    r"""Fraction of the objects that lies within the regions; our own metric.

    With ``of="area"``, the fraction of an object's area within the union of the regions, averaged over objects. With
    ``of="center"``, the fraction of objects whose centre lies in a region. Regions as large as the frame cover
    everything, so read it together with :class:`BestBoxIoU`.

    Args:
        of: ``"area"`` or ``"center"``.
        **kwargs: see :class:`RegionMetric`.

    Example:
        >>> metric = RegionCoverage()
        >>> left, middle = torch.tensor([[0.25, 0.5, 0.5, 1.0]]), torch.tensor([[0.5, 0.5, 0.2, 0.2]])
        >>> metric.update(left[None, None], middle[None, None])
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True

    def __init__(self, of: str = "area", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_option("of", of, ("area", "center"))
        self.of = of

    def measure(self, scene: Scene) -> Terms:
        box = scene.box.masked_fill(~scene.has_region[..., None], torch.nan)  # no comparison with NaN holds
        share = _covered_share(box, scene.objects) if self.of == "area" else _covered_centers(box, scene.objects)
        return Terms.mean(share, scene.has_object & (scene.objects[..., 2:] > 0).all(-1))


def _covered_centers(box: Tensor, objects: Tensor) -> Tensor:
    """Whether a region, including its border, contains the object's centre: 0 or 1, :math:`(*, M)`."""
    x0, y0, x1, y1 = (edge[..., None, :] for edge in box_edges(box))
    x, y = (objects[..., i, None] for i in (0, 1))
    return ((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).any(-1).to(box.dtype)


def _covered_share(box: Tensor, objects: Tensor) -> Tensor:
    """Exact fraction of every object within the union of the regions, :math:`(*, M)`.

    The regions' edges cut an object into :math:`(2N + 1)^2` cells, each of which is covered or not.
    """
    x0, y0, x1, y1 = (edge[..., None, :] for edge in box_edges(box))  # [*, 1, N]
    u0, v0, u1, v1 = (edge[..., None] for edge in box_edges(objects))  # [*, M, 1]
    width, across = _cut(x0, x1, u0, u1)
    height, along = _cut(y0, y1, v0, v1)
    covered = along.transpose(-1, -2) @ across > 0  # [*, M, 2N + 1, 2N + 1]
    area = torch.einsum("...y, ...yx, ...x -> ...", height, covered.to(width.dtype), width)
    return area / (width.sum(-1) * height.sum(-1))


def _cut(start: Tensor, end: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths of the segments of [low, high], and which segment lies in which [start, end], as 0 and 1."""
    edges = torch.cat([start, end], dim=-1).nan_to_num(0.0)
    edges = torch.minimum(torch.maximum(edges, low), high)  # [*, M, 2N]
    edges = torch.cat([low, edges, high], dim=-1).sort(dim=-1).values
    middle = (edges[..., 1:] + edges[..., :-1]) / 2
    inside = (start[..., None] <= middle[..., None, :]) & (middle[..., None, :] <= end[..., None])
    return edges.diff(dim=-1), inside.to(edges.dtype)  # [*, M, 2N + 1] and [*, M, N, 2N + 1]
