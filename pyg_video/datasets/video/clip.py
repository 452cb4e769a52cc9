"""A clip of a video as the data sets give it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, Tensor


class VideoClip(NamedTuple):
    """A clip of a video, or a batch of them (then each field has a leading :math:`B`).

    With several clips or crops per video, ``video`` and ``box`` have a leading dimension :math:`S` of views.

    Shapes:
        - **video:** :math:`[T, 3, H, W]`, uint8 as decoded, or the output of the transform
        - **label:** :math:`[]`, int64; -1 if unknown
        - **number:** :math:`[]`, int64, index into ``records`` of the data set
        - **box:** :math:`[T, N, 4]`, float32 ``cxcywh`` in [0, 1], NaN where an object has no box; without
          annotations :math:`N = 0`
    """

    video: Tensor
    label: Tensor
    number: Tensor
    box: Tensor


Transform = Callable[[VideoClip, Generator | None], VideoClip]
