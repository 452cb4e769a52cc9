"""Feature maps of a data set on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from ..._checks import naming
from ..._files import check_disk, whole_file
from ...attachment.frozen_features import FrozenFeatures
from ...datasets import SyncClip
from ...datasets.digits.clips import DigitClips

_TARGETS = SyncClip._fields[1:]
_REPAIR = "remove it to have it made again"


class FeatureFiles(NamedTuple):
    """The two files of a split: half-precision maps :math:`(N, T, C, H, W)`, and the other fields of the clips."""

    maps: Path
    targets: Path

    @classmethod
    def of(cls, folder: Path, split: str) -> FeatureFiles:
        """The files of a split."""
        return cls(folder / f"{split}.npy", folder / f"{split}_targets.npz")

    def complete(self) -> bool:
        """Whether both exist; they are written atomically, the maps last."""
        return self.maps.is_file() and self.targets.is_file()


class FeatureClips:
    """Clips whose frames are feature maps, read on demand from the files of :func:`write_features`.

    Raises:
        FileNotFoundError: the files do not exist.
        ValueError: one of them is damaged, or of others.
    """

    def __init__(self, files: FeatureFiles) -> None:
        if not files.complete():
            raise FileNotFoundError(f"Expected features in '{files.maps}' (got none); call prepare_data() first")
        with naming(files.maps, "features", _REPAIR):
            self.maps = np.load(files.maps, mmap_mode="r")
            if self.maps.ndim != 5 or self.maps.dtype != np.float16:
                raise ValueError(f"maps of shape {list(self.maps.shape)} and {self.maps.dtype}")
        with naming(files.targets, f"{', '.join(_TARGETS)} of {len(self.maps)} clips", _REPAIR):
            with files.targets.open("rb") as file, np.load(file) as targets:
                self.targets = {name: torch.from_numpy(targets[name]) for name in _TARGETS}
            if lengths := {len(target) for target in self.targets.values()} - {len(self.maps)}:
                raise ValueError(f"those of {min(lengths)}")

    def __len__(self) -> int:
        return len(self.maps)

    def batch(self, keys: list[int] | list[tuple[int, int]]) -> SyncClip:
        """Several clips, by number or ``(epoch, number)``; ``video`` holds their features :math:`(B, T, C, H, W)`."""
        numbers = [key[-1] if isinstance(key, tuple) else key for key in keys]
        video = torch.from_numpy(np.asarray(self.maps[numbers])).float()
        return SyncClip(video, *(self.targets[name][numbers] for name in _TARGETS))


def write_features(
    features: FrozenFeatures,
    clips: DigitClips,
    files: FeatureFiles,
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
    check_disk(files.maps.parent, needed, f"{size} clips", "choose fewer clips, another folder or a smaller 'map_size'")
    targets: list[tuple[Tensor, ...]] = []
    features = features.to(device)
    with whole_file(files.maps) as draft:
        maps = open_memmap(draft, mode="w+", dtype=np.float16, shape=shape)
        title = f"{files.maps.stem} features ({needed / 1e9:.1f} GB)"
        with tqdm(total=size, desc=title, unit="clip", disable=not progress) as bar:
            for first in range(0, size, batch_size):
                clip = clips.batch(range(first, min(first + batch_size, size)))
                maps[first : first + len(clip.label)] = features(clip.video.to(device)).half().cpu().numpy()
                targets.append(clip[1:])
                bar.update(len(clip.label))
        maps.flush()
        del maps
        arrays = {name: torch.cat(part).numpy() for name, *part in zip(_TARGETS, *targets, strict=True)}
        with whole_file(files.targets) as draft_of_targets, draft_of_targets.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
