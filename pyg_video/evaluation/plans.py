"""Which parts of a long video are classified, and which of its frames a model is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

ROUNDING = 1e-3  # seconds; many files store times in milliseconds


def frames_within(times: Tensor, start: float, end: float) -> tuple[int, int]:
    """The first frame that begins within a part of a video and the one behind the last, or the one shown then.

    Args:
        times: when each frame begins and the last one ends.
        start: start of the part in seconds.
        end: its end.
    """
    first, last = torch.searchsorted(times[:-1], torch.tensor([start, end], dtype=torch.float64) - ROUNDING).tolist()
    first = min(first, max(last - 1, 0))
    return first, max(last, first + 1)


def ascending(plans: Iterable[Tensor]) -> Iterator[int]:
    """The numbers of all plans, each once and in order; plans may overlap and come in the order of their firsts."""
    waiting = set[int]()
    for plan in plans:
        first = int(plan.min())
        yield from sorted(number for number in waiting if number < first)
        waiting = {number for number in waiting if number >= first} | set(plan.flatten().tolist())
    yield from sorted(waiting)


def at_rate(times: Sequence[float], rate: float | None) -> Iterator[int]:
    """Numbers of the frames that are shown at so many moments per second at most."""
    coming = 0.0
    for number, time in enumerate(times):
        if rate is None or time + ROUNDING >= coming:
            yield number
            coming = max(coming + 1 / rate, time) if rate else 0.0
