"""Motions of digits: random jumps as in the papers, or smooth paths; the synchronous ones move together."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..counter_random import Stream, below, uniform

#: ``(key [B], sync [B, D], num_frames, room, max_step) -> position [B, T, D, 2]``; ``max_step`` of all clips or ``[B]``
Motion = Callable[[Tensor, Tensor, int, int, int | Tensor], Tensor]


def jumps(key: Tensor, sync: Tensor, num_frames: int, room: int, max_step: int | Tensor) -> Tensor:
    r"""In every frame, every digit jumps by up to ``max_step`` pixels per axis and stays on the canvas.

    A jump is uniform over the integers of :math:`[-max\_step, max\_step]` that keep the digit on the canvas. The
    synchronous digits use one jump, uniform over those that keep *all* of them on it: their relative positions are the
    same in every frame, as in the trajectories that the authors published.

    Deviation: their code draws from a half-open range (-10 to 9); ours is symmetric, as the paper describes it.

    Args:
        key: keys of the clips, from :func:`~pyg_video.datasets.counter_random.clip_key`.
        sync: which digits move together.
        num_frames: number of frames, :math:`T`.
        room: largest position, in pixels: canvas size minus digit size.
        max_step: largest jump per axis, in pixels, of all clips or of each, :math:`[B]`.

    Shapes:
        - **key:** :math:`[B]`
        - **sync:** :math:`[B, D]`, bool
        - **output:** :math:`[B, T, D, 2]`, int64, top-left corners (row, column) in ``[0, room]``

    Example:
        >>> from pyg_video.datasets.counter_random import clip_key
        >>> sync = torch.tensor([[True, False, True]])
        >>> jumps(clip_key(0, torch.arange(1)), sync, num_frames=4, room=72, max_step=10).shape
        torch.Size([1, 4, 3, 2])
    """
    D, limit = sync.shape[1], torch.as_tensor(max_step, device=key.device).view(-1, 1, 1)
    together = sync[..., None]
    own = uniform(key, Stream.OWN_STEP, num_frames - 1, D, 2)
    shared = uniform(key, Stream.SHARED_STEP, num_frames - 1, 1, 2)
    chance = torch.where(together[:, None], shared, own)  # [B, T - 1, D, 2]
    position = below(key, Stream.START, room + 1, D, 2)
    path = [position]
    for draw in chance.unbind(1):
        first, last = _extent(position, together)
        low, high = first.clamp(max=limit).neg(), (room - last).clamp(max=limit)
        position = position + low + (draw * (high - low + 1)).floor().long()
        path.append(position)
    return torch.stack(path, dim=1)


def smooth(key: Tensor, sync: Tensor, num_frames: int, room: int, max_step: int | Tensor) -> Tensor:
    r"""Every digit keeps its speed and bounces off the border; the synchronous ones move and bounce as one body.

    The whole synchronous set turns around when any member touches the border, so the relative positions of its members
    are the same in every frame. With start :math:`p`, velocity :math:`v` and range :math:`L` of a body on each axis,

    .. math::
        p_t = L - |(p + v t) \bmod 2L - L| .

    The direction is uniform, the speed uniform between half of ``max_step`` and ``max_step`` pixels per frame: nothing
    stands still, unless the set is as wide as the canvas, and no digit moves by more than ``max_step`` per axis.

    Arguments and shapes are those of :func:`jumps`.

    Example:
        >>> from pyg_video.datasets.counter_random import clip_key
        >>> position = smooth(clip_key(0, torch.arange(1)), torch.tensor([[True, True]]), 8, room=26, max_step=4)
        >>> bool(((position[:, :, 0] - position[:, :, 1]).diff(dim=1) == 0).all())
        True
    """
    D = sync.shape[1]
    together = sync[..., None]
    own, shared = uniform(key, Stream.OWN_STEP, D, 2), uniform(key, Stream.SHARED_STEP, 1, 2)
    speed, turn = torch.where(together, shared, own).unbind(-1)  # [B, D] each
    limit = torch.as_tensor(max_step, device=key.device).view(-1, 1)
    velocity = torch.view_as_real(torch.polar(limit * (1 + speed) / 2, 2 * math.pi * turn))  # [B, D, 2]

    start = below(key, Stream.START, room + 1, D, 2)
    first, last = _extent(start, together)
    way = (room - last + first)[:, None].double()
    time = torch.arange(num_frames, device=key.device)[:, None, None]
    flight = first[:, None] + velocity[:, None] * time  # [B, T, D, 2]
    corner = way - (flight.remainder((2 * way).clamp(min=1)) - way).abs()
    corner = corner.clamp(min=0)  # a body as wide as the canvas has no way to go
    return (corner + 0.5).floor().long() + (start - first)[:, None]


MOTIONS: dict[str, Motion] = {"jumps": jumps, "smooth": smooth}


def _extent(position: Tensor, together: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest position within each digit's body: the synchronous set, or the digit alone."""
    limits = torch.iinfo(position.dtype)
    first = position.masked_fill(~together, limits.max).amin(1, keepdim=True)
    last = position.masked_fill(~together, limits.min).amax(1, keepdim=True)
    return torch.where(together, first, position), torch.where(together, last, position)
