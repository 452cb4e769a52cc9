"""Train a backbone on still frames to find digits, before it sees a video."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..backbones import StagedBackbone
from ..datasets import DigitClips, SyncClip, digit_maps


class DigitFinder(nn.Module):
    r"""A backbone and a 1 x 1 convolution that predicts :func:`~pyg_video.datasets.digit_maps`.

    Trained on single frames, the backbone learns which digit is where, and nothing about motion: the counterpart, for
    the synchronous digits, of starting from ImageNet.

    Args:
        backbone: frames to maps.
        num_classes: number of digit classes, :math:`K`.

    Shapes:
        - **video:** :math:`(B, T, C, H, W)`
        - **output:** logits of the maps, :math:`(B, T, K, H', W')`

    Example:
        >>> from pyg_video.backbones import SmallCNN
        >>> DigitFinder(SmallCNN(1), num_classes=3)(torch.rand(2, 4, 1, 40, 40)).shape
        torch.Size([2, 4, 3, 10, 10])
    """

    def __init__(self, backbone: StagedBackbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.readout = nn.Conv2d(backbone.info[-1].channels, num_classes, 1)

    def forward(self, video: Tensor) -> Tensor:
        return self.readout(self.backbone(video).flatten(0, 1)).unflatten(0, video.shape[:2])

    def loss(self, clips: SyncClip, classes: tuple[int, ...]) -> Tensor:
        """Binary cross-entropy between the predicted and the perfect maps."""
        logits = self(clips.video)
        return F.binary_cross_entropy_with_logits(logits, digit_maps(clips, classes, logits.shape[-2:]))

    @torch.no_grad()
    def distance(self, clips: SyncClip, classes: tuple[int, ...]) -> Tensor:
        """Distance of every digit from the highest value of its class, as a fraction of the frame, ``[B, T, D]``."""
        logits = self(clips.video)
        H, W = logits.shape[-2:]
        peak = logits.flatten(-2).argmax(-1)  # [B, T, K]
        points = torch.stack([(peak % W + 0.5) / W, (peak // W + 0.5) / H], dim=-1)
        channel = (clips.digit[..., None] == clips.digit.new_tensor(classes)).byte().argmax(-1)
        channel = channel[:, None, :, None].expand(-1, points.size(1), -1, 2)
        return (points.gather(2, channel) - clips.box[..., :2]).norm(dim=-1)


def fit_stills(
    finder: DigitFinder, clips: DigitClips, *, num_frames: int, batch_size: int = 64, lr: float = 3e-3, every: int
) -> Iterator[tuple[int, float]]:
    """Train while it is iterated over: after every ``every`` frames, their number and the latest loss.

    AdamW with one cycle of the learning rate, on the first frames of clips that are seen once each.

    Args:
        finder: what to train; in evaluation mode at the end.
        clips: endless clips, best of a single frame each.
        num_frames: number of frames to train on.
        batch_size: frames per step.
        lr: highest learning rate.
        every: frames between two reports.

    Raises:
        ValueError: there is less than a batch of frames.
    """
    steps, interval = num_frames // batch_size, max(1, every // batch_size)
    if steps < 1:
        raise ValueError(f"Expected 'num_frames' of at least a batch of {batch_size} (got {num_frames})")
    optimizer = torch.optim.AdamW(finder.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    finder.train()
    for step in range(steps):
        batch = clips.batch(range(step * batch_size, (step + 1) * batch_size))
        loss = finder.loss(batch._replace(video=batch.video[:, :1], box=batch.box[:, :1]), clips.classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % interval == 0 or step + 1 == steps:
            yield (step + 1) * batch_size, loss.item()
    finder.eval()
