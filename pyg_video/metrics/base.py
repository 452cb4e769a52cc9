"""Base class of the region metrics."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from .._checks import check_fractions, check_lengths
from ..functional import frame_mask


class Scene(NamedTuple):
    """Regions and objects of a batch of clips, and which of them are present; shapes as in :class:`RegionMetric`."""

    box: Tensor
    objects: Tensor
    has_region: Tensor
    has_object: Tensor

    @property
    def distance(self) -> Tensor:
        """Distances between the centres of objects and regions, infinite for absent regions: :math:`(B, T, M, N)`."""
        step = self.objects[..., :, None, :2] - self.box[..., None, :, :2]
        return step.norm(dim=-1).masked_fill(~self.has_region[..., None, :], torch.inf)


class Terms(NamedTuple):
    """Terms of a ratio of any common shape: the sum of ``part`` over the sum of ``whole``, where ``there``."""

    part: Tensor
    whole: Tensor
    there: Tensor

    @classmethod
    def mean(cls, value: Tensor, there: Tensor) -> "Terms":
        """The terms of a plain mean."""
        return cls(value, torch.ones_like(value), there)


class RegionMetric(Metric):
    """A mean, or a ratio of sums, over all clips; subclasses implement :meth:`measure`.

    Both sums are accumulated in float64 and over processes, so the result does not depend on the batches. It is NaN if
    nothing was measured. It does not depend on the order of regions or objects.

    Args:
        region_scale: factor on the widths and heights of regions. Boxes of a
            :class:`~pyg_video.graph_builders.RegionGraph` enclose the support of its tent; at 0.5, the tent is above
            half its height.
        **kwargs: of :class:`torchmetrics.Metric`.

    Shapes (of ``update``):
        - **box:** regions, :math:`(B, T, N, 4)`, ``cxcywh`` in [0, 1]
        - **objects:** true boxes, :math:`(B, T, M, 4)`
        - **mask:** bool, the objects that are present, :math:`(B, T, M)`; the boxes of others have no effect
        - **region_mask:** bool, the regions that are present, :math:`(B, T, N)`
        - **lengths:** frames per clip, :math:`(B)`; later ones are ignored
    """

    is_differentiable = False
    full_state_update = False
    part: Tensor
    whole: Tensor

    def __init__(self, *, region_scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if region_scale <= 0:
            raise ValueError(f"Expected 'region_scale' above 0 (got {region_scale})")
        self.region_scale = region_scale
        self.add_state("part", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("whole", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def measure(self, scene: Scene) -> Terms:
        """The terms of a batch of clips."""
        raise NotImplementedError(f"{type(self).__name__} needs a method measure(scene) -> Terms")

    def update(
        self,
        box: Tensor,
        objects: Tensor,
        mask: Tensor | None = None,
        *,
        region_mask: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> None:
        """Add the regions and objects of a batch of clips."""
        for name, value in (("box", box), ("objects", objects)):
            if value.dim() != 4 or value.size(-1) != 4 or value.size(-2) == 0:
                raise ValueError(
                    f"Expected '{name}' of shape [B, T, number of them, 4] (got {list(value.shape)}); of a graph, pass "
                    "graph.grid(graph.box)"
                )
        if (mine := list(box.shape[:2])) != (theirs := list(objects.shape[:2])):
            raise ValueError(f"Expected regions and objects of the same clips and frames (got {mine} and {theirs})")
        has_region = _presence("region_mask", region_mask, box, None)
        has_object = _presence("mask", mask, objects, lengths)
        check_fractions("box", box, has_region)
        check_fractions("objects", objects, has_object)
        scale = box.new_tensor([1.0, 1.0, self.region_scale, self.region_scale], dtype=torch.float64)
        box = box.detach().double().masked_fill(~has_region[..., None], 0.0) * scale
        objects = objects.detach().double().masked_fill(~has_object[..., None], 0.0)
        terms = self.measure(Scene(box, objects, has_region, has_object))
        self.part += terms.part.masked_fill(~terms.there, 0.0).sum()
        self.whole += terms.whole.masked_fill(~terms.there, 0.0).sum()

    def compute(self) -> Tensor:
        """The result over all clips so far."""
        return (self.part / self.whole).float()


def _presence(name: str, mask: Tensor | None, box: Tensor, lengths: Tensor | None) -> Tensor:
    """Which boxes are present, :math:`(B, T, number)`."""
    B, T, _, _ = box.shape
    there = torch.ones(box.shape[:3], dtype=torch.bool, device=box.device) if mask is None else mask
    if there.dtype != torch.bool or there.shape != box.shape[:3]:
        raise ValueError(
            f"Expected '{name}' of type bool and shape {list(box.shape[:3])} (got {there.dtype}, {list(there.shape)})"
        )
    if lengths is None:
        return there
    check_lengths(lengths, B, T)
    return there & frame_mask(lengths, T, device=box.device)[..., None]
