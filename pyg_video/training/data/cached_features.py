"""Frozen features as a Lightning data module: a model looks at every clip once, a head trains on what it saw."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Sampler

from ..._checks import check_option
from ..._files import write_whole
from ..._version import __version__
from ...attachment.frozen_features import FrozenFeatures
from ...datasets import DigitClips, SyncClip
from ...models import Option
from ..scoring import choose_device
from . import digits as modules
from .base import VideoData
from .batches import EpochBatches, WholeBatches
from .digits import ClipData
from .extractors import load_extractor, weights_in_words
from .feature_files import FeatureClips, FeatureFiles, write_features

_DATA = ("SyncMNISTData", "MultiSyncMNISTData")
_NOT_OF_THE_CLIPS = ("download", "batch_size", "num_workers")


class CachedFeatures(VideoData):
    """Feature maps of a frozen model in place of frames; computed before the first epoch, then read from disk.

    The files are in a folder of their own for each model, weights, place, size and data, with ``about.json`` to tell
    which. Another run with the same ones finds them there. Maps take :math:`2 T C \\cdot map\\_size^2` bytes a clip.
    Unlike those of the other data modules, the training clips are the same in every epoch.

    Args:
        extractor: name of a model of torchvision, images or videos; of timm with ``timm/`` before it.
        layer: dotted path of the module in it whose output are the features.
        weights: torchvision's name of weights (timm: ``"DEFAULT"``), a file with a state dict, or ``""`` for random
            ones, always the same.
        extractor_options: further options of the model, such as ``image_size`` of torchvision's ViT.
        image_size: side of the frames that the model sees.
        map_size: side of the maps, averaged down to.
        folder: where the folders of the features are.
        data: ``"SyncMNISTData"`` or ``"MultiSyncMNISTData"``.
        data_options: options of it, ``num_train`` among them.
        batch_size: clips a step, in each process.
        extraction_batch_size: clips at a time through the frozen model.
        device: where the frozen model runs; ``"auto"`` for a GPU if there is one.
        num_workers: processes that read.
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
        known = {name: value.default for name, value in inspect.signature(kind).parameters.items()}
        for name in options:
            check_option("data_options", name, tuple(known))
        clips: ClipData = kind(**options)
        super().__init__()
        self.clips: dict[str, DigitClips] = {"train": clips.train, "val": clips.val, "test": clips.test}
        self.sizes = {"train": clips.num_train, "val": len(clips.val), "test": len(clips.test)}
        self.num_train, self.batch_size, self.num_workers = clips.num_train, batch_size, num_workers
        self.extractor, self.layer, self.weights = extractor, layer, weights
        self.extractor_options = dict(extractor_options or {})
        self.image_size, self.map_size = image_size, map_size
        self.extraction_batch_size, self.device = extraction_batch_size, device
        self.about = {
            "pyg_video": __version__,
            "extractor": extractor,
            "weights": weights_in_words(extractor, weights),
            "extractor_options": self.extractor_options,
            "layer": layer,
            "image_size": image_size,
            "map_size": map_size,
            "data": data,
            "data_options": {key: value for key, value in {**known, **options}.items() if key not in _NOT_OF_THE_CLIPS},
        }
        key = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) / key

    @property
    def num_classes(self) -> int:
        return self.clips["train"].num_classes

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.clips["train"].label_names)

    @property
    def frame_size(self) -> int:
        """Side of the maps, which are the frames here."""
        return self.map_size

    def prepare_data(self) -> None:
        """Compute what is not there yet; Lightning calls this in one process before anything else."""
        missing = [split for split in self.clips if not FeatureFiles.of(self.folder, split).complete()]
        if not missing:
            return
        T = self.clips["val"].batch([0]).video.size(1)
        model = load_extractor(self.extractor, self.weights, self.extractor_options)
        features = FrozenFeatures(model, self.layer, num_frames=T, image_size=self.image_size, map_size=self.map_size)
        write_whole(self.folder / "about.json", json.dumps(self.about, indent=2))
        for split in missing:
            write_features(
                features,
                self.clips[split],
                FeatureFiles.of(self.folder, split),
                size=self.sizes[split],
                batch_size=self.extraction_batch_size,
                device=choose_device(self.device),
            )

    def train_dataloader(self) -> DataLoader[SyncClip]:
        return self._features("train", EpochBatches(self.num_train, self.batch_size, **self._share))

    def val_dataloader(self) -> DataLoader[SyncClip]:
        return self._features("val", WholeBatches(self.sizes["val"], self.batch_size, **self._share))

    def test_dataloader(self) -> DataLoader[SyncClip]:
        return self._features("test", WholeBatches(self.sizes["test"], self.batch_size, **self._share))

    def predict_dataloader(self) -> DataLoader[SyncClip]:
        return self.test_dataloader()

    def _features(
        self, split: str, batches: Sampler[list[int]] | Sampler[list[tuple[int, int]]]
    ) -> DataLoader[SyncClip]:
        return DataLoader(
            FeatureClips(FeatureFiles.of(self.folder, split)),
            batch_size=None,  # the sampler's items are batches already
            sampler=batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )
