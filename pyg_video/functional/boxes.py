"""Boxes ``(cx, cy, w, h)``, as fractions of the frame."""

import torch
from torch import Tensor


def box_edges(box: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Left, top, right and bottom edge of every box.

    Shapes:
        - **box:** :math:`(*, 4)`
        - **output:** four tensors :math:`(*)`
    """
    x, y, w, h = box.unbind(-1)
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


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
