"""A stopped training that goes on sees the clips that it would have seen, and ends with the same weights."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

from pyg_video.training import SyncMNISTData, VideoClassification

BATCHES, EPOCHS = 4, 3  # per epoch, and in all


class Seen(Callback):
    """The labels of every batch of training, and the sum of its pixels."""

    def __init__(self):
        self.batches = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.batches.append((trainer.current_epoch, batch_idx, batch.label.tolist(), float(batch.video.sum())))


def train(folder, num_workers, ckpt_path=None):
    seed_everything(0)
    data = SyncMNISTData(
        num_frames=2,
        canvas_size=16,
        frame_size=16,
        digit_size=8,
        batch_size=2,
        num_train=2 * BATCHES,
        num_val=2,
        num_test=2,
        num_workers=num_workers,
    )
    options = {"frame_size": 16, "channels": (4,), "strides": (4,)}
    task = VideoClassification("cnn_sync_mnist", data.num_classes, model_options=options, warmup_steps=0)
    seen = Seen()
    saved = ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=-1, filename="{step}")
    trainer = Trainer(
        max_epochs=EPOCHS,
        callbacks=[seen, saved],
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, data, ckpt_path=ckpt_path)
    assert len(list(data.train_dataloader())) == BATCHES  # a loader after training starts from the front
    return seen.batches, {name: value.clone() for name, value in task.state_dict().items()}


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("step", [3, BATCHES, BATCHES + 2])
def test_a_resumed_training_is_an_uninterrupted_one(num_workers, step, tmp_path):
    whole, weights = train(tmp_path / "whole", num_workers)
    assert [batch[:2] for batch in whole] == [(e, b) for e in range(EPOCHS) for b in range(BATCHES)]
    rest, resumed = train(tmp_path / "rest", num_workers, tmp_path / "whole" / f"step={step}.ckpt")
    assert rest == whole[step:]
    assert all(torch.equal(resumed[name], value) for name, value in weights.items())
