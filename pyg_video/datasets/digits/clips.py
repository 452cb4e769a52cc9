"""Clips of moving digits as a map-style data set with batched generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..video.limits import max_pixels
from .images import Digits
from .labels import sync_label, sync_label_names
from .plans import Planner, as_integer
from .rendering import boxes_on_canvas, ink_box, render, shrink


class SyncClip(NamedTuple):
    """A clip of :math:`D` moving digits, or a batch of them (then each field has a leading :math:`B`).

    Shapes:
        - **video:** :math:`[T, 1, H, W]`, float32 in [0, 1]
        - **label:** :math:`[]`, int64
        - **box:** :math:`[T, D, 4]`, float32 ``cxcywh`` in [0, 1], tight around each digit's ink, occluded or not
        - **digit:** :math:`[D]`, int64, the digits' classes
        - **sync:** :math:`[D]`, bool, which digits move together
    """

    video: Tensor
    label: Tensor
    box: Tensor
    digit: Tensor
    sync: Tensor


class DigitClips(Dataset[SyncClip]):
    """Renders the clips of a planner; base class of the synchronous digit data sets.

    Args:
        digits: images and classes of the digits.
        planner: maps clip numbers to digits, positions and the set that moves together.
        classes: the digit classes that occur, in the order of the labels.
        num_classes: number of labels of ``sync_label`` that can occur.
        others: see :class:`SyncMNIST`.
    """

    def __init__(
        self,
        digits: Digits,
        planner: Planner,
        *,
        classes: Sequence[int],
        num_classes: int,
        num_clips: int | None,
        canvas_size: int,
        frame_size: int,
    ) -> None:
        if num_clips is not None and num_clips < 1:
            raise ValueError(
                f"Expected 'num_clips' to be at least 1 clip, or None for endlessly many (got {num_clips})"
            )
        if frame_size < 1:
            raise ValueError(f"Expected 'frame_size' to be at least 1 pixel (got {frame_size})")
        num_frames, side = planner.num_frames, max(canvas_size, frame_size)
        if num_frames * side**2 > max_pixels():
            raise ValueError(
                f"Expected clips of at most {max_pixels():,} pixels (got {num_frames} frames of {side} x {side}); take "
                "a smaller 'num_frames', 'canvas_size' or 'frame_size', or set the environment's PYG_VIDEO_MAX_PIXELS"
            )
        self.digits, self.planner, self.num_clips = digits, planner, num_clips
        self.classes, self.canvas_size, self.frame_size = tuple(classes), canvas_size, frame_size
        self.label_names = sync_label_names(self.classes)[:num_classes]
        assets = (*digits, ink_box(digits.image), torch.tensor(self.classes))
        self._assets: dict[torch.device, tuple[Tensor, ...]] = {torch.device("cpu"): assets}  # a copy per device used

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def batch(self, indices: Sequence[int] | Tensor, device: torch.device | str | None = None) -> SyncClip:
        """Several clips with a leading batch dimension.

        Args:
            indices: the clips' numbers.
            device: device to generate them on; by default that of ``indices``.

        Raises:
            TypeError: the numbers are not integers.
            IndexError: a number is out of range.
        """
        index = self._checked(indices).to(device)
        image, target, ink, classes = self._on(index.device)
        plan = self.planner(index)
        digit = target[plan.image]
        member = (digit[..., None] == classes).byte().argmax(-1)
        layer = plan.order[:, None, :, None].expand_as(plan.position)
        board = render(image[plan.image.gather(1, plan.order)], plan.position.gather(2, layer), self.canvas_size)
        return SyncClip(
            video=shrink(board, self.frame_size),
            label=sync_label(member, plan.sync, len(self.classes)),
            box=boxes_on_canvas(ink[plan.image], plan.position, self.canvas_size),
            digit=digit,
            sync=plan.sync,
        )

    def __getitem__(self, index: int) -> SyncClip:
        number = as_integer("a clip's number", index, "for several clips at once call 'batch'")
        return SyncClip(*(field[0] for field in self.batch([number])))

    def __getitems__(self, indices: Sequence[int]) -> list[SyncClip]:
        """Render a batch at once; torch's DataLoader calls this to fetch a batch."""
        return [SyncClip(*fields) for fields in zip(*self.batch(indices), strict=True)]

    def __len__(self) -> int:
        if self.num_clips is None:
            raise TypeError(
                "An endless data set has no length; pass num_clips=..., or sampler=EndlessSampler() to the DataLoader"
            )
        return self.num_clips

    def _checked(self, indices: Sequence[int] | Tensor) -> Tensor:
        try:
            index = torch.as_tensor(indices)
        except (TypeError, ValueError, RuntimeError):  # not numbers
            index = torch.tensor([torch.nan])
        if index.numel() and (index.is_floating_point() or index.is_complex() or index.dtype == torch.bool):
            raise TypeError(f"Expected 'indices' to be integers (got {indices!r}); pass clip numbers, as range(4)")
        index = index.long()
        end = torch.iinfo(torch.long).max if self.num_clips is None else self.num_clips
        if index.ndim != 1:
            raise ValueError(f"Expected 'indices' to be a list of clip numbers (got shape {list(index.shape)})")
        if index.numel() and not 0 <= index.min() <= index.max() < end:
            outside = index[(index < 0) | (index >= end)][0].item()
            raise IndexError(f"Expected clip numbers from 0 to {end - 1} (got {outside})")
        return index

    def _on(self, device: torch.device) -> tuple[Tensor, ...]:
        if device not in self._assets:
            self._assets[device] = tuple(asset.to(device) for asset in self._assets[torch.device("cpu")])
        return self._assets[device]


class EndlessSampler(Sampler[int]):
    """Yields ``start, start + step, ...`` without end, for endless data sets.

    Args:
        start: the first clip; to resume, the number of clips already seen.
        step: number of processes; ``start`` is then the rank of this one.

    Example:
        >>> from itertools import islice
        >>> list(islice(EndlessSampler(start=1, step=2), 3))
        [1, 3, 5]
    """

    def __init__(self, start: int = 0, step: int = 1) -> None:
        if start < 0 or step < 1:
            raise ValueError(f"Expected 'start' of at least 0 and 'step' of at least 1 (got {start} and {step})")
        self.start, self.step = start, step

    def __iter__(self) -> Iterator[int]:
        return count(self.start, self.step)
