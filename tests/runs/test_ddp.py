import json
import subprocess
import sys

import pytest
import torch

from pyg_video.checkpoints import load_model
from pyg_video.training import SyncMNISTData

RUN = """
import sys, torch
from pathlib import Path
from pytorch_lightning import Callback, Trainer
from pyg_video.training import AtomicCheckpointIO, ExportBest, SyncMNISTData, VideoClassification, best_checkpoint

class WriteLabels(Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        with Path(f"rank{trainer.global_rank}.txt").open("a") as file:
            print(*batch.label.tolist(), file=file)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        with Path(f"validation{trainer.global_rank}.txt").open("a") as file:
            print(*batch.label.tolist(), file=file)

data = SyncMNISTData(canvas_size=16, frame_size=16, digit_size=6, num_frames=2, batch_size=2, num_train=8, num_val=5)
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp_fork", max_epochs=2, logger=False, num_sanity_val_steps=0,
    use_distributed_sampler=False,
    callbacks=[WriteLabels(), best_checkpoint(), ExportBest()], plugins=[AtomicCheckpointIO()],
)
trainer.fit(VideoClassification("cnn_sync_mnist", data.num_classes, 16), data)
"""


@pytest.mark.slow
def test_two_processes_share_the_clips(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", RUN]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    labels = [(tmp_path / f"rank{rank}.txt").read_text().split() for rank in (0, 1)]
    data = SyncMNISTData(canvas_size=16, frame_size=16, digit_size=6, num_frames=2, num_val=5)
    train, val = data.train.batch(range(16)), data.val.batch(range(5))
    for rank in (0, 1):
        assert list(map(int, labels[rank])) == train.label[rank::2].tolist()
        validated = (tmp_path / f"validation{rank}.txt").read_text().split()
        assert list(map(int, validated)) == 2 * val.label[rank::2].tolist()  # every clip once per epoch
    assert load_model(tmp_path / "checkpoints" / "best.safetensors").recipe.name == "cnn_sync_mnist"


CURVE = """
import json, sys, torch
from pathlib import Path
from pytorch_lightning import Callback, Trainer
from pyg_video.backbones import PlainCNN
from pyg_video.models import PoolHead, VideoClassifier
from pyg_video.training import SyncMNISTData, VideoClassification

class WriteLoss(Callback):
    curve = []

    def on_train_batch_end(self, trainer, *_):
        self.curve.append(float(trainer.callback_metrics["train/loss"]))

    def on_fit_end(self, trainer, *_):
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.is_global_zero:
            Path(f"{processes}.json").write_text(json.dumps([self.curve, metrics]))

processes = int(sys.argv[1])
torch.manual_seed(0)
sizes = dict(canvas_size=16, frame_size=16, digit_size=6, num_frames=2)
data = SyncMNISTData(**sizes, batch_size=8 // processes, num_train=24, num_val=21, num_test=21)
model = VideoClassifier(PlainCNN(1, (8,)), PoolHead(8, data.num_classes))  # without batch norms, whose batches differ
task = VideoClassification(model, data.num_classes, 16, warmup_steps=0, lr=0.01)
trainer = Trainer(
    accelerator="cpu", devices=processes, strategy="ddp_fork" if processes > 1 else "auto", max_epochs=2, logger=False,
    num_sanity_val_steps=0, use_distributed_sampler=False, enable_checkpointing=False, callbacks=[WriteLoss()],
)
trainer.fit(task, data)
"""


@pytest.mark.slow
def test_any_number_of_processes_has_the_same_curve(tmp_path):
    found = []
    for processes in (1, 2, 4):
        command = [sys.executable, "-W", "ignore", "-c", CURVE, str(processes)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / f"{processes}.json").read_text()))
    (alone, metrics), *others = found
    assert len(alone) == 6
    for curve, of_all in others:
        torch.testing.assert_close(curve, alone, rtol=1e-4, atol=1e-5)
        assert of_all.keys() == metrics.keys()
        torch.testing.assert_close(of_all, metrics, rtol=1e-4, atol=1e-5)  # 21 validation clips, each once
