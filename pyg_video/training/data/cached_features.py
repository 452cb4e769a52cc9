"""Features of a frozen model as a Lightning data module."""

from __future__ import annotations

import hashlib
import inspect
import json
from functools import partial
from pathlib import Path

from torch.utils.data import DataLoader

from ..._checks import check_option
from ..._files import write_whole
from ..._version import __version__
from ...attachment.frozen_features import FrozenFeatures
from ...datasets import DigitClips
from ...models import Option
from ..scoring import Clips, choose_device
from . import digits as modules
from .base import VideoData
from .batches import ShuffledBatches
from .digits import DigitData
from .extractors import load_extractor, weights_in_words
from .feature_files import FeatureClips, feature_files, write_features

_DATA = ("SyncMNISTData", "MultiSyncMNISTData")
_FORMAT = 2  # of the files
_NOT_OF_THE_CLIPS = ("download", "batch_size", "num_workers")


class CachedFeatures(VideoData):
    """Feature maps of a frozen model instead of frames, computed before the first epoch and then read from disk.

    Each combination of model, weights, layer, sizes and data has its own folder, described by its ``about.json`` and
    reused by later runs. Maps take :math:`2 T C \\cdot map\\_size^2` bytes per clip. Unlike in the other digit data
    modules, the training clips are the same in every epoch.

    Args:
        extractor: name of an image or video model of torchvision, or of timm with the prefix ``timm/``.
        layer: dotted path of the module whose output is used.
        weights: torchvision's name of weights (timm: ``"DEFAULT"``), a file with a state dict, or ``""`` for random
            weights with a fixed seed.
        extractor_options: further options of the model, such as ``image_size`` of torchvision's ViT.
        image_size: side of the frames that the model receives, in pixels.
        map_size: side of the maps after average pooling.
        folder: parent folder of the feature folders.
        data: ``"SyncMNISTData"`` or ``"MultiSyncMNISTData"``.
        data_options: its options, including ``num_train``.
        batch_size: clips per step and process.
        extraction_batch_size: clips per forward pass of the frozen model.
        device: device of the frozen model; ``"auto"`` selects a GPU if available.
        num_workers: worker processes that read.
    """

    def __init__(
        self,
        extractor: str,
        layer: str,
        *,
        weights: str = "",
        extractor_options: dict[str, Option] | None = None,
        image_size: int = 224,
        map_size: int = 7,
        folder: str = "features",
        data: str = "SyncMNISTData",
        data_options: dict[str, Option] | None = None,
        batch_size: int = 64,
        extraction_batch_size: int = 8,
        device: str = "auto",
        num_workers: int = 0,
    ) -> None:
        check_option("data", data, _DATA)
        kind = getattr(modules, data)
        options = dict(data_options or {})
        given = inspect.signature(kind.data_set).parameters | inspect.signature(kind).parameters
        known = {name: value.default for name, value in given.items() if name not in ("split", "num_clips", "options")}
        for name in options:
            check_option("data_options", name, tuple(known))
        clips: DigitData = kind(**options)
        super().__init__()
        self.clips: dict[str, DigitClips] = {"train": clips.train, "val": clips.val, "test": clips.test}
        self.sizes = {"train": clips.num_train, "val": len(clips.val), "test": len(clips.test)}
        self.label_names, self.frame_size = clips.label_names, map_size  # the maps are the frames here
        self.num_train, self.batch_size, self.num_workers = clips.num_train, batch_size, num_workers
        self._load = partial(load_extractor, extractor, weights, extractor_options)
        self._sizes: dict[str, int] = {"image_size": image_size, "map_size": map_size}
        self.layer, self.extraction_batch_size, self.device = layer, extraction_batch_size, device
        self.about = {
            "pyg_video": __version__,
            "format": _FORMAT,
            "extractor": extractor,
            "weights": weights_in_words(extractor, weights),
            "extractor_options": dict(extractor_options or {}),
            "layer": layer,
            **self._sizes,
            "data": data,
            "data_options": {key: value for key, value in {**known, **options}.items() if key not in _NOT_OF_THE_CLIPS},
        }
        key = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) / key

    def prepare_data(self) -> None:
        """Compute missing features; Lightning calls this first, in one process."""
        files = {split: feature_files(self.folder, split) for split in self.clips}
        missing = [split for split in files if not files[split].complete()]
        if not missing:
            return
        T = self.clips["val"].batch([0]).video.size(1)
        features = FrozenFeatures(self._load(), self.layer, num_frames=T, **self._sizes)
        write_whole(self.folder / "about.json", json.dumps(self.about, indent=2))
        device, num_clips = choose_device(self.device), self.extraction_batch_size
        for name in missing:
            size = self.sizes[name]
            write_features(features, self.clips[name], files[name], size=size, batch_size=num_clips, device=device)

    def train_dataloader(self) -> DataLoader[Clips]:
        return self._loader(self._features("train"), ShuffledBatches(self.num_train, self.batch_size, **self._share))

    def val_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self._features("val"), self.batch_size)

    def test_dataloader(self) -> DataLoader[Clips]:
        return self._sequential(self._features("test"), self.batch_size)

    def _features(self, split: str) -> FeatureClips:
        return FeatureClips(feature_files(self.folder, split))
