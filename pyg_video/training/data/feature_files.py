"""Feature maps of a data set on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..._files import check_disk
from ...attachment.frozen_features import FrozenFeatures
from ...datasets import SyncClip
from ...datasets.digits.clips import DigitClips
from .row_files import RowFiles

_TARGETS = SyncClip._fields[1:]


def feature_files(folder: Path, split: str) -> RowFiles:
    """The files of a split: half-precision maps :math:`(N, T, C, H, W)`, and the other fields of the clips."""
    return RowFiles(folder / f"{split}.npy", folder / f"{split}_targets.npz", "features")


class FeatureClips:
    """Clips whose frames are feature maps, read on demand from the files of :func:`write_features`.

    Raises:
        FileNotFoundError: the files do not exist.
        ValueError: one of them is damaged, or of others.
    """

    def __init__(self, files: RowFiles) -> None:
        if not files.complete():
            raise FileNotFoundError(f"Expected features in '{files.rows}' (got none); call prepare_data() first")
        self.rows = files.opened()
        self.targets = {name: torch.from_numpy(self.rows.about[name]) for name in _TARGETS}

    def __len__(self) -> int:
        return len(self.rows.array)

    def batch(self, keys: list[int] | list[tuple[int, int]]) -> SyncClip:
        """Several clips, by number or ``(epoch, number)``; ``video`` holds their features :math:`(B, T, C, H, W)`.

        Raises:
            ValueError: features have changed since they were written.
        """
        numbers = [key[-1] if isinstance(key, tuple) else key for key in keys]
        maps = np.asarray(self.rows.array[numbers])
        self.rows.check(maps, numbers)
        return SyncClip(torch.from_numpy(maps).float(), *(self.targets[name][numbers] for name in _TARGETS))


def write_features(
    features: FrozenFeatures,
    clips: DigitClips,
    files: RowFiles,
    *,
    size: int,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> None:
    """Compute the features of the first ``size`` clips and write them atomically.

    Raises:
        OSError: the disk is too small for them.
    """
    shape = (size, features.frames, features.channels, features.map_size, features.map_size)
    needed = 2 * int(np.prod(shape, dtype=np.int64))
    check_disk(files.rows.parent, needed, f"{size} clips", "choose fewer clips, another folder or a smaller 'map_size'")
    targets: list[tuple[Tensor, ...]] = []
    features = features.to(device)
    title = f"{files.rows.stem} features ({needed / 1e9:.1f} GB)"
    with (
        files.written(shape, np.float16) as writer,
        tqdm(total=size, desc=title, unit="clip", disable=not progress) as bar,
    ):
        for first in range(0, size, batch_size):
            clip = clips.batch(range(first, min(first + batch_size, size)))
            writer.add(features(clip.video.to(device)).half().cpu().numpy())
            targets.append(clip[1:])
            bar.update(len(clip.label))
        writer.about.update({name: torch.cat(part).numpy() for name, *part in zip(_TARGETS, *targets, strict=True)})
