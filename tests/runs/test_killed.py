"""Trainings by the command line that are terminated and killed at any moment; ``make soak`` kills more often."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from pyg_video.training import load_trained

FIT = [
    *("fit", "--model.model=cnn_sync_mnist", "--data=SyncMNISTData", "--model.warmup_steps=0"),
    *("--data.batch_size=2", "--data.num_train=40", "--data.num_val=4", "--data.num_test=2"),
    *("--data.canvas_size=16", "--data.frame_size=16", "--data.digit_size=8", "--data.num_frames=2"),
    *("--model.model_options.channels=[4]", "--model.model_options.strides=[4]", "--trainer.max_epochs=12"),
    *("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
    "--trainer.logger=false",  # all checkpoints in one folder
]
KILLS = int(os.environ.get("PYG_VIDEO_KILLS", "1"))


class Run:
    """A training in a folder, in processes that may be stopped."""

    def __init__(self, folder, num_workers):
        self.last = folder / "checkpoints" / "last.ckpt"
        self.command = [*FIT, f"--trainer.default_root_dir={folder}", f"--data.num_workers={num_workers}"]

    def arguments(self):
        return [*self.command, *([f"--ckpt_path={self.last}"] if self.last.exists() else [])]

    def start(self):
        command = [sys.executable, "-W", "ignore", "-m", "pyg_video.cli.main", *self.arguments()]
        return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def finish(self):
        """Let it end; in a process of its own as well, since the bits depend on the number of threads."""
        process = self.start()
        told = process.communicate(timeout=120)[1]
        assert process.returncode == 0, told

    def changed(self):
        return self.last.stat().st_mtime_ns if self.last.exists() else 0

    def stop(self, how, wait):
        """Stop the training some seconds after the next epoch's checkpoint; returns the exit code and stderr."""
        before = self.changed()
        process = self.start()
        while self.changed() == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(how)
        return process.wait(timeout=120), process.communicate()[1]


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_stopped_run_ends_as_if_it_had_not_been_stopped(num_workers, tmp_path):
    whole, run, moments = Run(tmp_path / "whole", num_workers), Run(tmp_path / "run", num_workers), random.Random(0)
    whole.finish()

    code, told = run.stop(signal.SIGTERM, 0)
    assert code == 128 + signal.SIGTERM, told
    assert f"--ckpt_path {run.last}" in told
    assert load_trained(run.last.with_name("best.safetensors")).model.recipe == load_trained(run.last).model.recipe

    for _ in range(KILLS):
        code, told = run.stop(signal.SIGKILL, moments.uniform(0, 0.3))
        assert code in (0, -signal.SIGKILL), told  # 0: it was done before
    run.finish()
    assert not list(run.last.parent.glob(".*.part"))
    ends = [load_trained(each.last).model.state_dict() for each in (whole, run)]
    assert all(torch.equal(ends[0][name], value) for name, value in ends[1].items())
