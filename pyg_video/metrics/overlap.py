"""Best overlap of a region with every object."""

from ..functional import pairwise_iou
from .base import RegionMetric, Scene, Terms


class BestBoxIoU(RegionMetric):
    r"""Mean over objects of the best intersection over union with a region of their frame; our own metric.

    .. math:: \frac{1}{|\mathcal{O}|} \sum_{m \in \mathcal{O}} \max_n \mathrm{IoU}(b_m, r_n)

    It is 1 if every object is fitted exactly by some region. DyReg-GNN's regions need not fit:
    "the predicted size is not as well aligned with the size of the true objects" (section 4.1).

    Objects of frames without a region count as 0. For the arguments see :class:`RegionMetric`.

    Example:
        >>> import torch
        >>> metric = BestBoxIoU()
        >>> whole, quarter = torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.tensor([[0.25, 0.25, 0.5, 0.5]])
        >>> metric.update(whole[None, None], quarter[None, None])
        >>> metric.compute()
        tensor(0.2500)
    """

    higher_is_better = True

    def measure(self, scene: Scene) -> Terms:
        iou = pairwise_iou(scene.objects, scene.box).masked_fill(~scene.has_region[..., None, :], 0.0)
        return Terms.mean(iou.amax(-1), scene.has_object)
