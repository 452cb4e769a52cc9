"""Kernels of regions as heat maps over the frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .draw import choose_colors
from .pictures import VIDEO, as_bytes, check_pixels, enlarge

_OPAQUE = 0.65  # opacity of the maximum of a kernel


def draw_kernels(video: Tensor, kernel: Tensor, *, colors: Sequence[str] | None = None, scale: int = 4) -> Tensor:
    r"""Enlarge the frames of a clip and colour each pixel by the nodes that it is assigned to.

    Every node has a colour, opaque where its kernel is largest in the frame; pixels of several nodes get a mixture. For
    one picture per node, draw the frame :math:`N` times with one kernel each.

    Args:
        video: the clip, float in [0, 1] or uint8.
        kernel: the nodes' kernels, on a map of any size.
        colors: a colour per node, as Pillow names them; by default ``PALETTE`` in turn.
        scale: integer factor of enlargement (nearest neighbour).

    Shapes:
        - **video:** :math:`[T, 1, H, W]` or :math:`[T, 3, H, W]`
        - **kernel:** :math:`[T, N, h, w]`, non-negative
        - **output:** :math:`[T, 3, scale \cdot H, scale \cdot W]`, uint8

    Raises:
        ValueError: an argument has another shape, type or range.

    Example:
        >>> draw_kernels(torch.zeros(2, 1, 10, 12), torch.rand(2, 3, 5, 6), scale=4).shape
        torch.Size([2, 3, 40, 48])
    """
    check_pixels("video", video, VIDEO)
    if kernel.ndim != 4 or kernel.shape[0] != video.shape[0] or kernel.numel() == 0:
        raise ValueError(
            f"Expected 'kernel' of shape [{video.shape[0]}, N, h, w], as 'video' has frames "
            f"(got {list(kernel.shape)}); of a graph, pass graph.grid(graph.kernel)[b]"
        )
    if not kernel.isfinite().all() or (kernel < 0).any():
        raise ValueError("Expected 'kernel' to be finite and at least 0 (got other values); pass kernels, not scores")
    names = choose_colors(colors, kernel.shape[1], "nodes")
    color, total = (F.interpolate(x, size=video.shape[-2:], mode="nearest-exact") for x in mixed_colors(kernel, names))
    picture = as_bytes(video) * (1 - _OPAQUE * total.clamp(max=1)) + _OPAQUE * color
    return enlarge(picture.round().clamp(0, 255).byte(), scale)


def mixed_colors(kernel: Tensor, colors: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The colours of the nodes on their map, and how much of them there is.

    Shapes:
        - **kernel:** :math:`(T, N, h, w)`
        - **output:** :math:`(T, 3, h, w)`, at most 255, and :math:`(T, 1, h, w)`, 1 where a node is largest
    """
    from PIL import ImageColor

    kernel = kernel.detach().float().cpu()
    ink = torch.tensor([ImageColor.getrgb(name)[:3] for name in colors], dtype=torch.float32)  # [N, 3]
    strength = kernel / kernel.amax((-2, -1), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    total = strength.sum(1, keepdim=True)  # [T, 1, h, w]
    return torch.einsum("tnhw, nc -> tchw", strength, ink) / total.clamp(min=1), total
