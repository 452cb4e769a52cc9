import subprocess
import sys

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

data = SyncMNISTData(canvas_size=16, frame_size=16, digit_size=6, num_frames=2, batch_size=2, num_train=8, num_val=5)
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp_fork", max_epochs=2, logger=False, use_distributed_sampler=False,
    callbacks=[WriteLabels(), best_checkpoint(), ExportBest()], plugins=[AtomicCheckpointIO()],
)
trainer.fit(VideoClassification("cnn_sync_mnist", data.num_classes, 16), data)
"""


def test_two_processes_share_the_clips(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", RUN]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    labels = [(tmp_path / f"rank{rank}.txt").read_text().split() for rank in (0, 1)]
    clips = SyncMNISTData(canvas_size=16, frame_size=16, digit_size=6, num_frames=2).train.batch(range(16))
    for rank in (0, 1):
        assert list(map(int, labels[rank])) == clips.label[rank::2].tolist()
    assert load_model(tmp_path / "checkpoints" / "best.safetensors").recipe.name == "cnn_sync_mnist"
