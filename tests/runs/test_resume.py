"""A stopped training that goes on sees the clips that it would have seen, and ends with the same weights."""

import os
import signal

import pytest
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import nn

from pyg_video.training import (
    CachedFeatures,
    MultiSyncMNISTData,
    SyncMNISTData,
    VideoClassification,
    VideoFolderData,
    last_checkpoint,
)
from pyg_video.visualization import save_mp4

BATCHES, EPOCHS = 4, 3  # per epoch, and in all


class Seen(Callback):
    """The labels of every batch of training, and the sum of its pixels."""

    def __init__(self):
        self.batches = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.batches.append((trainer.current_epoch, batch_idx, batch.label.tolist(), float(batch.video.sum())))


class Terminate(Callback):
    """SIGTERM within a batch of training, in the validation after it, or at the end of the epoch."""

    def __init__(self, step, where="train"):
        self.step, self.where = step, where

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (self.where, trainer.global_step) == ("train", self.step - 1):
            os.kill(os.getpid(), signal.SIGTERM)

    def on_train_epoch_end(self, trainer, pl_module):
        if (self.where, trainer.global_step) == ("epoch end", self.step):
            os.kill(os.getpid(), signal.SIGTERM)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (self.where, trainer.global_step) == ("validation", self.step):
            os.kill(os.getpid(), signal.SIGTERM)


DIGITS = {
    "num_frames": 2, "canvas_size": 16, "frame_size": 16, "digit_size": 8, "batch_size": 2,
    "num_train": 2 * BATCHES, "num_val": 6, "num_test": 2,  # three batches of validation
}  # fmt: skip


def sync_mnist(folder, **options):
    return SyncMNISTData(**DIGITS | options)


def curriculum(folder, **options):
    return sync_mnist(folder, max_step=1, motion="smooth", curriculum=(3, 12), **options)


def multi_sync_mnist(folder, **options):
    return MultiSyncMNISTData(**DIGITS | {"num_digits": 2} | options)


def videos(folder, **options):
    if not (folder.parent / "videos").exists():
        for name in ("bird", "plane"):
            for k in range(BATCHES + 2):  # one of each for validation and test
                save_mp4(folder.parent / "videos" / name / f"{k}.mp4", torch.rand(4, 3, 20, 24))
    return VideoFolderData(str(folder.parent / "videos"), num_frames=2, frame_size=16, batch_size=2, **options)


def cached_videos(folder, **options):
    return videos(folder, cache=str(folder.parent / "cache"), **options)


def features(folder, **options):
    given = {name: value for name, value in DIGITS.items() if name != "batch_size"}
    place = {"folder": str(folder.parent / "features"), "device": "cpu", "batch_size": 2}
    return CachedFeatures("resnet18", "layer2", image_size=24, map_size=2, data_options=given, **place, **options)


DATA = [sync_mnist, curriculum, multi_sync_mnist, videos, cached_videos, features]


class Noisy(nn.Module):
    """A classifier of any clips that draws random numbers while it is trained."""

    def __init__(self, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(8), nn.Dropout(), nn.Linear(8, num_classes))

    def forward(self, video):
        return self.layers(video.float().flatten(1))


def train(folder, num_workers, ckpt_path=None, stop=(), make_data=sync_mnist):
    seed_everything(0)
    data = make_data(folder, num_workers=num_workers)
    data.prepare_data()
    model = Noisy(data.num_classes)
    model(next(iter(data.val_dataloader())).video)  # which tells the size of the clips
    task = VideoClassification(model, data.num_classes, warmup_steps=0)
    seen = Seen()
    saved = ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=-1, filename="{step}")
    trainer = Trainer(
        max_epochs=EPOCHS,
        callbacks=[seen, saved, last_checkpoint(), *stop],
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        log_every_n_steps=1,
    )
    trainer.fit(task, data, ckpt_path=ckpt_path)
    assert len(list(data.train_dataloader())) == BATCHES  # a loader after training starts from the front
    return seen.batches, {name: value.clone() for name, value in task.state_dict().items()}


@pytest.mark.parametrize("make_data", DATA[1:])
def test_so_does_one_of_any_data(make_data, tmp_path):
    step = BATCHES + 1
    whole, weights = train(tmp_path / "whole", 0, make_data=make_data)
    assert [batch[:2] for batch in whole] == [(e, b) for e in range(EPOCHS) for b in range(BATCHES)]
    rest, resumed = train(tmp_path / "rest", 1, tmp_path / "whole" / f"step={step}.ckpt", make_data=make_data)
    assert rest == whole[step:]
    assert all(torch.equal(resumed[name], value) for name, value in weights.items())


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("step", [3, BATCHES, BATCHES + 2])
def test_a_resumed_training_is_an_uninterrupted_one(num_workers, step, tmp_path):
    whole, weights = train(tmp_path / "whole", num_workers)
    assert [batch[:2] for batch in whole] == [(e, b) for e in range(EPOCHS) for b in range(BATCHES)]
    rest, resumed = train(tmp_path / "rest", num_workers, tmp_path / "whole" / f"step={step}.ckpt")
    assert rest == whole[step:]
    assert all(torch.equal(resumed[name], value) for name, value in weights.items())


@pytest.mark.parametrize(
    ("step", "where", "next_step"),
    [
        (3, "train", 3),
        (BATCHES, "train", BATCHES),
        (5, "train", 5),
        (BATCHES, "epoch end", BATCHES),
        (2 * BATCHES, "validation", BATCHES),  # after the epoch before
    ],
)
def test_a_terminated_training_goes_on_where_it_was(step, where, next_step, tmp_path):
    whole, weights = train(tmp_path / "whole", 0)
    with pytest.raises(SIGTERMException):
        train(tmp_path / "stopped", 0, stop=[Terminate(step, where)])
    rest, resumed = train(tmp_path / "rest", 0, tmp_path / "stopped" / "checkpoints" / "last.ckpt")
    assert rest == whole[next_step:]
    assert all(torch.equal(resumed[name], value) for name, value in weights.items())
