"""Train a net on still frames to find digits, before anything learns from videos."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..backbones import StagedBackbone
from ..datasets import DigitClips, SyncClip, digit_maps
from .module import channels_last, one_cycle


def fit_stills(
    net: StagedBackbone,
    clips: DigitClips,
    *,
    num_frames: int,
    radius: float = 1.5,
    batch_size: int = 64,
    lr: float = 3e-3,
    every: int,
) -> Iterator[tuple[int, float]]:
    """Train a net to map frames to :func:`~pyg_video.datasets.digit_maps`, while it is iterated over.

    On single frames, a net learns which digit is where and nothing about motion: the counterpart, for the synchronous
    digits, of starting from ImageNet. Mean squared error; AdamW, whose learning rate rises in a tenth of the steps and
    falls to zero as a cosine. Only the first frame of each clip is used, and each clip once.

    Args:
        net: what to train, with a channel for every digit class at its end; in evaluation mode afterwards.
        clips: endless clips, best of a single frame each.
        num_frames: number of frames to train on.
        radius: half the side of a digit's tent, in pixels of the map.
        batch_size: frames per step.
        lr: highest learning rate.
        every: frames between two reports.

    Yields:
        The number of frames seen and the latest loss.

    Raises:
        ValueError: the net has another number of channels, or there is less than a batch of frames.
    """
    steps, interval = num_frames // batch_size, max(1, every // batch_size)
    channels, classes = net.info[-1].channels, clips.classes
    if channels != len(classes):
        raise ValueError(f"Expected 'net' to end with {len(classes)} channels, one per digit class (got {channels})")
    if steps < 1:
        raise ValueError(f"Expected 'num_frames' of at least a batch of {batch_size} (got {num_frames})")
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
    schedule = one_cycle(optimizer, steps)
    channels_last(net)
    net.train()
    for step in range(1, steps + 1):
        batch = clips.batch(range((step - 1) * batch_size, step * batch_size))
        batch = batch._replace(video=batch.video[:, :1], box=batch.box[:, :1])
        maps = net(batch.video)
        loss = F.mse_loss(maps, digit_maps(batch, classes, (maps.size(-2), maps.size(-1)), radius=radius))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % interval == 0 or step == steps:
            yield step * batch_size, loss.item()
    net.eval()


def distance_to_digits(maps: Tensor, clips: SyncClip, classes: tuple[int, ...]) -> Tensor:
    """Distance of every digit's centre from the largest value of its class, as a fraction of the frame.

    Args:
        maps: a net's maps of the clips.
        clips: the clips.
        classes: the digit classes in the order of the channels.

    Shapes:
        - **maps:** :math:`(B, T, K, H, W)`
        - **output:** :math:`(B, T, D)`
    """
    H, W = maps.shape[-2:]
    peak = maps.flatten(-2).argmax(-1)  # [B, T, K]
    points = torch.stack([(peak % W + 0.5) / W, (peak // W + 0.5) / H], dim=-1)
    channel = (clips.digit[..., None] == clips.digit.new_tensor(classes)).byte().argmax(-1)  # [B, D]
    found = points.gather(2, channel[:, None, :, None].expand(-1, points.size(1), -1, 2))
    return (found - clips.box[..., :2]).norm(dim=-1)
