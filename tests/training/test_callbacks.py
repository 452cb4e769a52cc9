import pytest
import torch
from pytorch_lightning import Callback

from pyg_video.backbones import resnet
from pyg_video.checkpoints import checkpoint_info, load_model
from pyg_video.models import PoolHead
from pyg_video.training import AtomicCheckpointIO, ExportBest, FreezeBatchNorm, VideoClassification


class KilledError(Exception):
    pass


class KilledAt(Callback):
    """Ends a run at the start of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KilledError


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def last(tmp_path, folder):
    return tmp_path / folder / "checkpoints" / "last.ckpt"


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(tiny_task, tiny_data, tiny_trainer, tmp_path):
    torch.manual_seed(1)
    tiny_trainer(folder="whole", max_epochs=3).fit(tiny_task(), tiny_data())
    torch.manual_seed(1)
    with pytest.raises(KilledError):
        tiny_trainer(KilledAt(1), folder="cut", max_epochs=3).fit(tiny_task(), tiny_data())
    torch.manual_seed(2)  # must not matter
    resumed = tiny_trainer(folder="resumed", max_epochs=3)
    resumed.fit(tiny_task(), tiny_data(), ckpt_path=last(tmp_path, "cut"))
    assert resumed.global_step == 6
    expected, got = weights(last(tmp_path, "whole")), weights(last(tmp_path, "resumed"))
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_last_is_the_last_epoch_even_if_it_was_no_better(tiny_task, tiny_data, tiny_trainer, tmp_path):
    trainer = tiny_trainer(max_epochs=3)
    trainer.fit(tiny_task(), tiny_data())
    assert torch.load(last(tmp_path, "run"), weights_only=True)["global_step"] == trainer.global_step


def test_a_resumed_run_remembers_the_best_of_before(tiny_task, tiny_data, tiny_trainer, tmp_path):
    tiny_trainer(folder="before", max_epochs=1).fit(tiny_task(), tiny_data())
    path = last(tmp_path, "before")
    saved = torch.load(path, weights_only=True)
    (key,) = [key for key in saved["callbacks"] if "BestCheckpoint" in key]
    state = saved["callbacks"][key]
    best = state["best_model_path"]
    state["best_model_score"] = state["kth_value"] = torch.tensor(2.0)  # better than any accuracy
    state["best_k_models"] = {best: torch.tensor(2.0)}
    torch.save(saved, path)
    resumed = tiny_trainer(folder="after", max_epochs=2)
    resumed.fit(tiny_task(), tiny_data(), ckpt_path=path)
    assert resumed.checkpoint_callback.best_model_path == best
    assert not (tmp_path / "after" / "checkpoints" / "best.ckpt").exists()


def test_the_best_weights_are_exported(tiny_task, tiny_data, tiny_trainer, tmp_path):
    data = tiny_data()
    trainer = tiny_trainer(ExportBest())
    trainer.fit(tiny_task(label_names=data.label_names), data)
    path = tmp_path / "run" / "checkpoints" / "best.safetensors"
    info = checkpoint_info(path)
    assert info.recipe.name == "dyreg_gnn_sync_mnist"
    assert info.metadata["label_names"] == list(data.label_names)
    assert info.metadata["videos"] == (info.metadata["epoch"] + 1) * data.num_train
    assert info.metadata["val/acc"] == pytest.approx(float(trainer.checkpoint_callback.best_model_score))
    expected = weights(path.with_suffix(".ckpt"))
    for name, tensor in load_model(path).state_dict().items():
        assert torch.equal(tensor, expected[f"net.{name}"])


def test_a_module_without_a_recipe_is_not_exported_and_says_so(tiny_data, tiny_trainer, tmp_path, caplog):
    net = VideoClassification("cnn_sync_mnist", 6, 16, model_options={"channels": (4, 4), "strides": (2, 2)}).net
    net.recipe = None
    with caplog.at_level("INFO", logger="pytorch_lightning"):
        tiny_trainer(ExportBest(), max_epochs=1).fit(VideoClassification(net, 6, warmup_steps=0), tiny_data())
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert "No safetensors beside" in caplog.text


def test_a_failed_save_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

    def full_disk(checkpoint, part, options=None):
        part.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(
        "pytorch_lightning.plugins.TorchCheckpointIO.save_checkpoint", lambda _, *args: full_disk(*args)
    )
    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_frozen_batch_norms_keep_their_statistics(tiny_trainer, tiny_data):
    task = VideoClassification("resnet18_multi_sync_mnist", 6, warmup_steps=0)
    task.net.backbone = resnet(18, in_channels=1, num_stages=1)
    task.net.head = PoolHead(64, 6)
    norm = task.net.backbone.stages["layer1"][0].bn1
    scale = norm.weight.detach().clone()
    tiny_trainer(FreezeBatchNorm(), max_epochs=2).fit(task, tiny_data())
    assert not norm.running_mean.any()
    assert norm.num_batches_tracked == 0
    assert not torch.equal(norm.weight, scale)
