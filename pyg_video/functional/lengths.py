"""Clips of different length in one batch."""

import torch
from torch import Tensor


def frame_mask(lengths: Tensor, num_frames: int, *, device: torch.device | None = None) -> Tensor:
    """Mask of the frames within their clip's length.

    Args:
        lengths: frames per clip.
        num_frames: frames :math:`T` of the padded batch.
        device: device of the mask; that of ``lengths`` by default.

    Shapes:
        - **lengths:** :math:`(B)`
        - **output:** bool, :math:`(B, T)`

    Example:
        >>> frame_mask(torch.tensor([1, 3]), num_frames=3)
        tensor([[ True, False, False],
                [ True,  True,  True]])
    """
    device = lengths.device if device is None else device
    return torch.arange(num_frames, device=device) < lengths.to(device)[:, None]
