"""Plans of clips: digits, positions and the synchronous set, before rendering."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..counter_random import Stream, below, clip_key, uniform
from .motions import MOTIONS


class Plan(NamedTuple):
    """Content of :math:`B` clips with :math:`D` digits.

    Shapes:
        - **image:** :math:`[B, D]`, int64, which digit images are used
        - **position:** :math:`[B, T, D, 2]`, int64, top-left corners (row, column) on the canvas
        - **sync:** :math:`[B, D]`, bool, which digits move together
        - **order:** :math:`[B, D]`, int64, the drawing order; the last lies in front
    """

    image: Tensor
    position: Tensor
    sync: Tensor
    order: Tensor


class Planner(Protocol):
    """A callable that plans the clips with given numbers :math:`[B]`."""

    num_frames: int

    def __call__(self, index: Tensor) -> Plan: ...


def distinct_classes(key: Tensor, num_classes: int, num_digits: int) -> Tensor:
    """Different classes for the digits of a clip, ``[B, D]``."""
    return uniform(key, Stream.CLASSES, num_classes).argsort(dim=1)[:, :num_digits]


def any_classes(key: Tensor, num_classes: int, num_digits: int) -> Tensor:
    """Classes that may repeat, ``[B, D]``."""
    return below(key, Stream.CLASSES, num_classes, num_digits)


def one_pair(key: Tensor, num_digits: int) -> Tensor:
    """Two digits at random, ``[B, D]``: independent of the drawing order."""
    return _rank(key, num_digits) < 2


def any_set(key: Tensor, num_digits: int) -> Tensor:
    """Two or more digits, every number equally likely, ``[B, D]``."""
    return _rank(key, num_digits) < 2 + below(key, Stream.SET_SIZE, num_digits - 1, 1)


def _rank(key: Tensor, num_digits: int) -> Tensor:
    return uniform(key, Stream.MEMBERS, num_digits).argsort(dim=1)  # a random permutation of each clip's digits


class RandomPlan:
    """Random clips, each a function of ``(seed, salt, index)`` only.

    Args:
        target: the class of every digit image, :math:`[M]`.
        choose_classes: chooses the digits of a clip, as :func:`distinct_classes`.
        choose_members: chooses the digits that move together, as :func:`one_pair`.
        salt: separates the clips of two splits.
        others: see :class:`~pyg_video.datasets.SyncMNIST`.
    """

    def __init__(
        self,
        target: Tensor,
        classes: Sequence[int],
        choose_classes: Callable[[Tensor, int, int], Tensor],
        choose_members: Callable[[Tensor, int], Tensor],
        *,
        num_digits: int,
        num_frames: int,
        canvas_size: int,
        digit_size: int,
        motion: str,
        max_step: int,
        random_probability: float,
        seed: int,
        salt: int = 0,
        curriculum: tuple[int, int] | None = None,
    ) -> None:
        known = set(target.tolist())
        _expect(
            len(set(classes)) == len(classes) > 1 and known.issuperset(classes),
            f"'classes' to be two or more different digits among {sorted(known)} (got {tuple(classes)})",
        )
        _expect(num_digits > 1, f"'num_digits' to be at least 2, so that two can move together (got {num_digits})")
        _expect(num_frames > 0, f"'num_frames' to be at least 1 (got {num_frames})")
        _expect(
            digit_size <= canvas_size,
            f"'digit_size' to be at most the canvas, {canvas_size} pixels (got {digit_size}); enlarge 'canvas_size'",
        )
        _expect(motion in MOTIONS, f"'motion' to be one of {tuple(MOTIONS)} (got {motion!r})")
        _expect(max_step > 0, f"'max_step' to be at least 1 pixel, so that digits move (got {max_step})")
        _expect(
            curriculum is None or (curriculum[0] >= max_step and curriculum[1] > 0),
            f"'curriculum' to be a step of at least max_step = {max_step} and a number of clips (got {curriculum})",
        )
        _expect(0 <= random_probability <= 1, f"'random_probability' to lie in [0, 1] (got {random_probability})")
        self.choose_classes, self.choose_members, self.move = choose_classes, choose_members, MOTIONS[motion]
        self.num_digits, self.num_frames, self.num_classes = num_digits, num_frames, len(classes)
        self.room, self.max_step, self.curriculum = canvas_size - digit_size, max_step, curriculum
        self.random_probability, self.salt = random_probability, salt
        self.seed = as_integer("'seed' to be an integer", seed, "round it")
        images = [(target == digit).nonzero().flatten() for digit in classes]
        self.images_by_class = torch.cat(images)
        self.count = torch.tensor([len(image) for image in images])
        self.first = self.count.cumsum(0) - self.count

    def __call__(self, index: Tensor) -> Plan:
        D, device = self.num_digits, index.device
        key = clip_key(self.seed, index, salt=self.salt)
        member = self.choose_classes(key, self.num_classes, D)  # [B, D], places in `classes`
        rank = uniform(key, Stream.IMAGES, D) * self.count.to(device)[member]
        image = self.images_by_class.to(device)[self.first.to(device)[member] + rank.floor().long()]
        sync = self.choose_members(key, D) & (uniform(key, Stream.NOTHING, 1) >= self.random_probability)
        position = self.move(key, sync, self.num_frames, self.room, self._largest_step(index))
        return Plan(image, position, sync, torch.arange(D, device=device).expand_as(sync))

    def _largest_step(self, index: Tensor) -> int | Tensor:
        """Of all clips, or with a curriculum of each."""
        if self.curriculum is None:
            return self.max_step
        first, num_clips = self.curriculum
        return self.max_step + (first - self.max_step) * (num_clips - index).clamp(min=0) // num_clips


def as_integer(expectation: str, value: int, repair: str) -> int:
    """Convert integers of Python, NumPy and torch to ``int``; a :exc:`TypeError` for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"Expected {expectation} (got {value!r}); {repair}") from None


def _expect(condition: bool, expectation: str) -> None:
    if not condition:
        raise ValueError(f"Expected {expectation}")
