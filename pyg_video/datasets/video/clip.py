"""A clip of a video as the data sets give it, and what these have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset, default_collate

from ..counter_random import clip_key


class VideoClip(NamedTuple):
    """A clip of a video, or a batch of them (then each field has a leading :math:`B`).

    With several clips or crops per video, ``video`` and ``box`` have a leading dimension :math:`S` of views.

    Shapes:
        - **video:** :math:`[T, 3, H, W]`, uint8 as decoded, or the output of the transform
        - **label:** :math:`[]`, int64; -1 if unknown
        - **number:** :math:`[]`, int64, index of the video in the data set
        - **box:** :math:`[T, N, 4]`, float32 ``cxcywh`` in [0, 1], NaN where an object has no box; without
          annotations :math:`N = 0`
    """

    video: Tensor
    label: Tensor
    number: Tensor
    box: Tensor


Transform = Callable[[VideoClip, Generator | None], VideoClip]


class VideoClips(Dataset[VideoClip]):
    """Videos of which clips are sampled; base class of the data sets of video files.

    Clip ``i`` of epoch ``e`` is ``dataset[e, i]``, and ``dataset[i]`` is that of epoch 0. Its sampling and augmentation
    depend on ``(seed, e, i)`` only. A subclass sets the attributes, has ``labels`` and ``ids``, and reads.

    Attributes:
        title: name of the data set, in words.
        split: ``"train"``, ``"val"`` or ``"test"``; None for all videos.
        label_names: names of the classes.
        skipped: the problem of each video left out, by id.
        seed: seed of sampling and augmentation.
        num_clips: clips per video, :math:`S`.
        random: whether frames are sampled at random.
        transform: callable ``(clip, generator) -> clip``.
    """

    title: str
    split: str | None
    label_names: Sequence[str]
    skipped: Mapping[str, str]
    seed: int
    num_clips: int
    random: bool
    transform: Transform | None
    part_of: Sequence[int] = ()
    """Number of the whole video that each item is a part of; empty if all are whole."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each label, the label of the flipped video, see :func:`mirrored_labels`."""
        return mirrored_labels(self.label_names)

    @property
    def labels(self) -> list[int]:
        """The class of every video; -1 if unknown."""
        raise NotImplementedError

    @property
    def labelled(self) -> bool:
        """Whether the labels of all videos are known."""
        return -1 not in self.labels

    @property
    def ids(self) -> list[str]:
        """Name of every video; of a part of one, with its times."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def read(self, index: int, generator: Generator | None) -> VideoClip:
        """The clips of a video, sampled at random with a generator, with a leading :math:`S`; not transformed."""
        raise NotImplementedError

    def __getitem__(self, key: int | tuple[int, int]) -> VideoClip:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(f"Expected the number of a video, from 0 to {len(self) - 1} (got {index})")
        hashed = clip_key(self.seed, torch.tensor([index]), salt=epoch).item()
        generator = Generator().manual_seed(int(hashed) & (2**63 - 1))
        clip = self.read(index, generator if self.random else None)
        if self.num_clips == 1:
            clip = clip._replace(video=clip.video[0], box=clip.box[0])
        return clip if self.transform is None else self.transform(clip, generator)

    def batch(self, keys: Sequence[int | tuple[int, int]]) -> VideoClip:
        """Several clips with a leading batch dimension; after the transform they need to have the same size.

        Args:
            keys: numbers of the videos, or ``(epoch, number)``.
        """
        clips: VideoClip = default_collate([self[key] for key in keys])
        return clips


def mirrored_labels(names: Sequence[str]) -> tuple[int, ...]:
    """Label of each class after a horizontal flip.

    Classes that differ only in "left" and "right" are exchanged; all others are unchanged.

    Example:
        >>> mirrored_labels(["Pushing something from left to right", "Folding something",
        ...                  "Pushing something from right to left"])
        (2, 1, 0)
    """
    exact = {name: label for label, name in enumerate(names)}
    number = {name.lower(): label for label, name in enumerate(names)} | exact
    other = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "LEFT": "RIGHT", "RIGHT": "LEFT"}
    word = re.compile(rf"(?<![^\W\d_])({'|'.join(other)})(?![^\W\d_])")  # also beside a digit or an underscore
    mirrored = []
    for label, name in enumerate(names):
        swapped = word.sub(lambda found: other[found[0]], name)
        mirrored.append(number.get(swapped, number.get(swapped.lower(), label)) if swapped != name else label)
    return tuple(mirrored)
