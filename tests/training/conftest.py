"""Tiny runs for the tests of training."""

import pytest
from pytorch_lightning import Trainer

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
        return VideoClassification(
            "dyreg_gnn_sync_mnist", 6, 16, model_options=parts, lr=0.01, warmup_steps=2, **options
        )

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
