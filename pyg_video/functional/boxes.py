"""Boxes ``(cx, cy, w, h)``, as fractions of the frame."""

import torch
from torch import Tensor

_TOUCH = 1e-6  # fractions of the frame below which two borders count as the same line


def box_edges(box: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Left, top, right and bottom edge of every box.

    Shapes:
        - **box:** :math:`(*, 4)`
        - **output:** four tensors :math:`(*)`
    """
    x, y, w, h = box.unbind(-1)
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def pairwise_iou(box: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of every box with every other; 0 where both are empty.

    Shapes:
        - **box:** :math:`(*, N, 4)`
        - **other:** :math:`(*, M, 4)`
        - **output:** :math:`(*, N, M)`

    Example:
        >>> left, whole = torch.tensor([[0.25, 0.5, 0.5, 1.0]]), torch.tensor([[0.5, 0.5, 1.0, 1.0]])
        >>> pairwise_iou(left, whole)
        tensor([[0.5000]])
    """
    x0, y0, x1, y1 = (edge[..., :, None] for edge in box_edges(box))
    u0, v0, u1, v1 = (edge[..., None, :] for edge in box_edges(other))
    w = (torch.minimum(x1, u1) - torch.maximum(x0, u0)).clamp(min=0)
    h = (torch.minimum(y1, v1) - torch.maximum(y0, v0)).clamp(min=0)
    inside = w * h
    union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - inside
    return inside / union.clamp(min=torch.finfo(union.dtype).tiny)


def boxes_touch(box: Tensor, other: Tensor) -> Tensor:
    """Whether every box overlaps every other, or shares a border of positive length with it (RSTG).

    Shapes:
        - **box:** :math:`(*, N, 4)`
        - **other:** :math:`(*, M, 4)`
        - **output:** :math:`(*, N, M)`, bool

    Example:
        >>> cells = grid_boxes(2, 2)
        >>> boxes_touch(cells[:1], cells)  # itself, the cell to the right, the one below, not the one across
        tensor([[ True,  True,  True, False]])
    """
    left, top, right, bottom = (edge[..., :, None] for edge in box_edges(box))
    others_left, others_top, others_right, others_bottom = (edge[..., None, :] for edge in box_edges(other))
    dx = torch.minimum(right, others_right) - torch.maximum(left, others_left)
    dy = torch.minimum(bottom, others_bottom) - torch.maximum(top, others_top)
    return (dx > -_TOUCH) & (dy > -_TOUCH) & ((dx > _TOUCH) | (dy > _TOUCH))


def grid_boxes(rows: int, cols: int, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """The cells of a regular grid over the frame, row by row.

    Shapes:
        - **output:** :math:`(rows \\cdot cols, 4)`

    Example:
        >>> grid_boxes(1, 2)
        tensor([[0.2500, 0.5000, 0.5000, 1.0000],
                [0.7500, 0.5000, 0.5000, 1.0000]])
    """
    y = (torch.arange(rows, dtype=dtype or torch.get_default_dtype(), device=device) + 0.5) / rows
    x = (torch.arange(cols, dtype=dtype or torch.get_default_dtype(), device=device) + 0.5) / cols
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 1 / cols), torch.full_like(y, 1 / rows)], dim=-1).flatten(0, 1)
