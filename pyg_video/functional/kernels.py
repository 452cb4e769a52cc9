"""Region kernels, and the two linear maps between a feature map and its nodes.

A *kernel* :math:`A \\in \\mathbb{R}_{\\geq 0}^{N \\times H \\times W}` assigns pixels to nodes.
"""

import torch
from torch import Tensor

from .boxes import box_edges


def box_kernel(box: Tensor, size: tuple[int, int]) -> Tensor:
    r"""The share of every pixel's area that a box covers.

    Boxes that tile the frame, such as a grid of RSTG, cover every pixel exactly once.

    Args:
        box: centre x, centre y, width and height as fractions of the frame.
        size: height and width of the map in pixels.

    Shapes:
        - **box:** :math:`(*, 4)`
        - **output:** :math:`(*, H, W)`, in :math:`[0, 1]`

    Example:
        >>> box_kernel(torch.tensor([0.25, 0.5, 0.5, 1.0]), (1, 3))
        tensor([[1.0000, 0.5000, 0.0000]])
    """
    H, W = size
    left, top, right, bottom = box_edges(box)

    def cover(low: Tensor, high: Tensor, n: int) -> Tensor:
        q = torch.arange(n, dtype=box.dtype, device=box.device)
        overlap = torch.minimum(high[..., None] * n, q + 1) - torch.maximum(low[..., None] * n, q)
        return overlap.clamp(min=0)

    return cover(top, bottom, H)[..., :, None] * cover(left, right, W)[..., None, :]


def tent_kernel(box: Tensor, size: tuple[int, int]) -> Tensor:
    r"""The separable triangular kernel of DyReg-GNN (Duta et al., NeurIPS 2021, eq. 5 and 6).

    .. math::
        K(q_x, q_y) = \max(0, w_x - |c_x - q_x|) \, \max(0, w_y - |c_y - q_y|)

    with centres :math:`c` and half-sizes :math:`w` in pixels; a pixel's coordinate is its centre. Not normalised.

    Args:
        box: centre x, centre y, width and height of the support, as fractions of the frame.
        size: height and width of the map in pixels.

    Shapes:
        - **box:** :math:`(*, 4)`
        - **output:** :math:`(*, H, W)`, non-negative

    Example:
        >>> tent_kernel(torch.tensor([0.5, 0.5, 0.8, 2.0]), (1, 5))
        tensor([[0., 1., 2., 1., 0.]])
    """
    H, W = size
    x, y, w, h = box.unbind(-1)

    def tent(center: Tensor, extent: Tensor, n: int) -> Tensor:
        q = torch.arange(n, dtype=box.dtype, device=box.device) + 0.5
        return (extent[..., None] * (n / 2) - (center[..., None] * n - q).abs()).relu()

    return tent(y, h, H)[..., :, None] * tent(x, w, W)[..., None, :]


def normalize_kernel(kernel: Tensor) -> Tensor:
    """Divide every node's kernel by its sum over the map; a kernel that is zero everywhere stays zero.

    Shapes:
        - **kernel:** :math:`(*, H, W)`
        - **output:** :math:`(*, H, W)`
    """
    total = kernel.sum(dim=(-2, -1), keepdim=True)
    return kernel / total.clamp(min=torch.finfo(kernel.dtype).tiny)


def kernel_boxes(kernel: Tensor) -> Tensor:
    r"""The box of the uniform kernel with the mean and spread of a kernel of any shape.

    Width and height are :math:`2 \sqrt{3}` standard deviations, a pixel's own extent included. The kernel of a box of
    whole pixels gives back the box; an empty kernel gives one pixel at the origin.

    Shapes:
        - **kernel:** :math:`(*, H, W)`, non-negative
        - **output:** :math:`(*, 4)`

    Example:
        >>> kernel_boxes(box_kernel(torch.tensor([0.5, 0.25, 0.5, 0.5]), (4, 4)))
        tensor([0.5000, 0.2500, 0.5000, 0.5000])
    """
    kernel = normalize_kernel(kernel.to(torch.promote_types(kernel.dtype, torch.float32)))

    def span(profile: Tensor) -> tuple[Tensor, Tensor]:
        n = profile.size(-1)
        q = torch.arange(n, dtype=profile.dtype, device=profile.device) + 0.5
        mean = (profile * q).sum(-1)
        variance = (profile * (q - mean[..., None]).square()).sum(-1) + 1 / 12
        return mean / n, (12 * variance).sqrt() / n

    (x, w), (y, h) = span(kernel.sum(-2)), span(kernel.sum(-1))
    return torch.stack([x, y, w, h], dim=-1)


def pool(x: Tensor, kernel: Tensor) -> Tensor:
    r"""Collect pixels into nodes, :math:`v_n = \sum_p A_{np} X_p` (DyReg-GNN, eq. 7).

    Shapes:
        - **x:** feature map :math:`(*, C, H, W)`
        - **kernel:** :math:`(*, N, H, W)`, leading dimensions broadcast
        - **output:** nodes :math:`(*, N, C)`
    """
    return kernel.flatten(-2).to(x.dtype) @ x.flatten(-2).mT


def remap(nodes: Tensor, kernel: Tensor) -> Tensor:
    r"""Send every node to its own pixels, :math:`Y_p = \sum_n A_{np} v_n` (DyReg-GNN, eq. 10).

    The adjoint of :func:`pool` with the same kernel.

    Shapes:
        - **nodes:** :math:`(*, N, C)`
        - **kernel:** :math:`(*, N, H, W)`
        - **output:** feature map :math:`(*, C, H, W)`
    """
    return (nodes.mT @ kernel.flatten(-2).to(nodes.dtype)).unflatten(-1, kernel.shape[-2:])
