"""Horizontal flip of frames, boxes and label."""

from collections.abc import Sequence

import torch
from torch import Generator

from .clip import AnyClip


class HorizontalFlip:
    """Flip a clip with its boxes and its label: a push to the left becomes one to the right.

    Args:
        mirrored: for each label, the label of the flipped clip, as ``SomethingSomething.mirrored``; None to keep
            labels. Unknown labels (-1) are kept.
        p: probability.

    Example:
        >>> from pyg_video.datasets import VideoClip
        >>> video = torch.tensor([[1.0, 2.0, 3.0]]).expand(8, 3, 1, 3)
        >>> clip = VideoClip(video, torch.tensor(0), torch.tensor(0), torch.tensor([[[0.2, 0.5, 0.1, 0.1]]]))
        >>> flipped = HorizontalFlip((1, 0), p=1.0)(clip)
        >>> flipped.video[0, 0], flipped.label, flipped.box[0, 0]
        (tensor([[3., 2., 1.]]), tensor(1), tensor([0.8000, 0.5000, 0.1000, 0.1000]))
    """

    def __init__(self, mirrored: Sequence[int] | None = None, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Expected 'p' to be a probability (got {p})")
        self.mirrored = None if mirrored is None else torch.tensor(mirrored)
        self.p = p

    def __call__(self, clip: AnyClip, generator: Generator | None = None) -> AnyClip:
        from torchvision.transforms.v2 import functional as F

        if torch.rand((), generator=generator) >= self.p:
            return clip
        x, rest = clip.box.split([1, 3], dim=-1)
        label = clip.label
        if self.mirrored is not None and label >= 0:
            label = self.mirrored[label]
        return clip._replace(video=F.horizontal_flip(clip.video), label=label, box=torch.cat([1 - x, rest], dim=-1))

    def __repr__(self) -> str:
        return f"HorizontalFlip(p={self.p})"
