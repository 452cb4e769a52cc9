"""Counter-based random numbers: each number of a clip is a hash of its key, stream and index."""

from __future__ import annotations

import math
from enum import IntEnum

import torch
from torch import Tensor


class Stream(IntEnum):
    """Purpose of a number; different streams of one clip are independent."""

    CLASSES = 0
    IMAGES = 1
    NOTHING = 2
    MEMBERS = 3
    SET_SIZE = 4
    START = 5
    OWN_STEP = 6
    SHARED_STEP = 7


def _signed(value: int) -> int:
    """The 64-bit two's complement reading of any integer: int64 arithmetic then wraps as unsigned arithmetic does."""
    return (value + 2**63) % 2**64 - 2**63


_GOLDEN = _signed(0x9E3779B97F4A7C15)  # splitmix64: the increment and the two multipliers
_MULTIPLIERS = (_signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB))


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # torch's >> repeats the sign bit; the hash needs zeros


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _MULTIPLIERS[0]
    x = (x ^ _shift(x, 27)) * _MULTIPLIERS[1]
    return x ^ _shift(x, 31)


def clip_key(seed: int, index: Tensor, *, salt: int = 0) -> Tensor:
    r"""One 64-bit key per clip, which determines all its random numbers.

    Args:
        seed: any integer.
        index: clip numbers.
        salt: any integer; separates data sets with the same seed, such as training and test split.

    Shapes:
        - **index:** :math:`[B]`, int64
        - **output:** :math:`[B]`, int64

    Example:
        >>> both = clip_key(0, torch.tensor([3, 8]))
        >>> bool(both[1] == clip_key(0, torch.tensor([8]))[0])
        True
    """
    start = _mix(_mix(torch.tensor(_signed(seed))) + _signed(salt * _GOLDEN))
    return _mix(start.to(index.device) + index * _GOLDEN)


def uniform(key: Tensor, stream: Stream, *shape: int) -> Tensor:
    r"""Uniform numbers in [0, 1), the same for a clip in every batch and worker.

    .. math::
        u_n = 2^{-53} \lfloor h(h(k + s\gamma) + n\gamma) / 2^{11} \rfloor

    with the finaliser :math:`h` and the increment :math:`\gamma` of splitmix64 (Steele, Lea and Flood, "Fast splittable
    pseudorandom number generators", 2014).

    Args:
        key: keys :math:`k` from :func:`clip_key`.
        stream: purpose of the numbers, :math:`s`.
        shape: shape of the numbers of one clip.

    Shapes:
        - **key:** :math:`[B]`, int64
        - **output:** :math:`[B, *shape]`, float64

    Example:
        >>> uniform(clip_key(0, torch.arange(4)), Stream.START, 3, 2).shape
        torch.Size([4, 3, 2])
    """
    number = torch.arange(math.prod(shape), device=key.device)
    start = _mix(key + _signed((stream + 1) * _GOLDEN))
    bits = _mix(start[:, None] + number * _GOLDEN)
    return _shift(bits, 11).double().mul(2.0**-53).view(len(key), *shape)


def below(key: Tensor, stream: Stream, high: int, *shape: int) -> Tensor:
    r"""Integers in [0, high), uniform up to a bias of :math:`2^{-53}` ``high``.

    Example:
        >>> below(clip_key(0, torch.arange(4)), Stream.IMAGES, 10, 3).max() < 10
        tensor(True)
    """
    return (uniform(key, stream, *shape) * high).floor().long()
