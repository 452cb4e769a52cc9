"""Regions from the segmentation of every frame; shared by superpixels and clusters."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data import Regions
from ..functional import kernel_boxes

if TYPE_CHECKING:
    from numpy import ndarray


@torch.compiler.disable  # type: ignore[untyped-decorator]
def segment_regions(x: Tensor, segment: Callable[["ndarray"], "ndarray"], num_nodes: int) -> Regions:
    """Segment every frame on the CPU and return the segments as regions.

    Args:
        x: feature maps.
        segment: maps a frame, float64 :math:`(H, W, C)`, to segment numbers :math:`(H, W)` below ``num_nodes``.
        num_nodes: maximal number of segments; those that do not occur are outside of the regions' mask.

    Shapes:
        - **x:** :math:`(B, T, C, H, W)`
    """
    frames = x.detach().flatten(0, 1).movedim(1, -1).to("cpu", torch.float64)
    if not bool(frames.isfinite().all()):
        raise ValueError("Expected finite 'x' (got NaN or infinity); look for it in the video")
    labels = torch.stack([torch.from_numpy(segment(frame)) for frame in frames.numpy()]).to(x.device)
    kernel = F.one_hot(labels.long(), num_nodes).movedim(-1, 1).unflatten(0, x.shape[:2])
    kernel = kernel.to(torch.promote_types(x.dtype, torch.float32))  # [B, T, N, H, W]
    mask = (kernel > 0).flatten(-2).any(dim=-1)
    return Regions(kernel_boxes(kernel).masked_fill(~mask[..., None], 0.0), kernel, mask)
