"""Perfect maps of digit clips: what an ideal backbone would see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...functional import tent_kernel
from .clips import SyncClip


def digit_maps(clips: SyncClip, classes: Sequence[int], size: tuple[int, int], *, radius: float = 1.5) -> Tensor:
    r"""A tent at the centre of every digit, in the channel of its class, whether it is occluded or not.

    .. math::
        M_{kp} = \max_{d:\, c_d = k} \max(0, 1 - |x_p - x_d| / r) \max(0, 1 - |y_p - y_d| / r)

    with coordinates in pixels of the map. Values near a centre tell where between the pixels it lies.

    Args:
        clips: a batch of clips.
        classes: the digit classes in the order of the channels, as :class:`SyncMNIST` has them.
        size: height and width of the maps, which are those of a square frame.
        radius: half the side of a tent, :math:`r`, in pixels of the map.

    Shapes:
        - **output:** :math:`(B, T, K, H, W)`, in [0, 1]

    Example:
        >>> from pyg_video.datasets import SyncMNIST
        >>> data = SyncMNIST(classes=(0, 1, 2), num_frames=4)
        >>> digit_maps(data.batch(range(2)), data.classes, (10, 10)).shape
        torch.Size([2, 4, 3, 10, 10])
    """
    H, W = size
    sides = clips.box.new_tensor([2 * radius / W, 2 * radius / H])
    box = torch.cat([clips.box[..., :2], sides.expand_as(clips.box[..., 2:])], dim=-1)
    tent = tent_kernel(box, size) / radius**2  # [B, T, D, H, W]
    channel = (clips.digit[..., None] == clips.digit.new_tensor(classes)).byte().argmax(-1)
    maps = tent.new_zeros(*tent.shape[:2], len(classes), H, W)
    return maps.scatter_reduce_(2, channel[:, None, :, None, None].expand_as(tent), tent, "amax")
