"""Tiny runs for the tests of training."""

import numpy as np
import pytest
from pytorch_lightning import Trainer

from pyg_video.datasets import load_digits
from pyg_video.training import AtomicCheckpointIO, SyncMNISTData, VideoClassification, best_checkpoint, last_checkpoint

FIVE = {"canvas": 16, "frame": 16, "digit_size": 6, "num_frames": 3, "classes": (0, 1, 2, 3), "random_probability": 0}


@pytest.fixture
def tiny_data():
    def make(**options):
        return SyncMNISTData(**{**FIVE, "batch_size": 4, "train_size": 8, "val_size": 8, "test_size": 6, **options})

    return make


@pytest.fixture
def tiny_task():
    def make(**options):
        parts = {"channels": (4, 4), "strides": (2, 2), "region_channels": 4, "num_stages": 1}
        options = {"lr": 0.01, "warmup_steps": 2, **options}
        return VideoClassification("dyreg_gnn_sync_mnist", 6, 16, model_options=parts, **options)

    return make


@pytest.fixture
def tiny_trainer(tmp_path):
    def make(*callbacks, folder="run", **options):
        return Trainer(
            accelerator="cpu",
            logger=False,
            default_root_dir=tmp_path / folder,
            callbacks=[best_checkpoint(), last_checkpoint(), *callbacks],
            plugins=[AtomicCheckpointIO()],
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **{"max_epochs": 2, "gradient_clip_val": 1.0, **options},
        )

    return make


@pytest.fixture
def given_trajectories(tmp_path):
    """Writes trajectories of six clips with three bundled digits each, in the format of the authors' file."""

    def write(**changes):
        target = load_digits("bundled", "test").target
        images = [[int((target == digit).nonzero()[0]) for digit in (k, k + 1, k + 2)] for k in range(6)]
        coords = np.random.default_rng(0).integers(0, 72, (6, 3, 3, 2), dtype=np.uint8)
        arrays = {
            "coords": coords,
            "digit_index": np.array(images, dtype=np.uint32),
            "is_sync": np.array([True] * 5 + [False]),
            "digit_in_front": np.ones(6, dtype=bool),
        }
        np.savez(tmp_path / "given.npz", **{**arrays, **changes})
        return tmp_path / "given.npz"

    return write
