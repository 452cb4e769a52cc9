import json
from pathlib import Path

import pytest
import torch

from pyg_video.checkpoints import load_model
from pyg_video.cli.main import main
from pyg_video.training import CachedFeatures
from pyg_video.training.data import cached_features

CONFIG = Path(__file__).parents[3] / "examples" / "configs" / "frozen_features.yaml"
CLIPS = {
    "canvas_size": 32, "frame_size": 16, "digit_size": 8, "num_frames": 3, "classes": (0, 1, 2),
    "random_probability": 0, "num_train": 6, "num_val": 4, "num_test": 4,
}  # fmt: skip


@pytest.fixture
def features(tmp_path):
    def make(**options):
        given = {"image_size": 48, "map_size": 3, "batch_size": 2, "device": "cpu", "data_options": CLIPS}
        return CachedFeatures("resnet18", "layer3", **{**given, "folder": str(tmp_path), **options})

    return make


def test_features_are_computed_once(features, monkeypatch):
    data = features()
    data.prepare_data()
    about = json.loads((data.folder / "about.json").read_text())
    assert (about["layer"], about["data_options"]["canvas_size"]) == ("layer3", 32)
    monkeypatch.setattr(cached_features, "write_features", None)  # would raise
    again = features()
    again.prepare_data()
    batch = next(iter(again.val_dataloader()))
    assert batch.video.shape == (2, 3, 256, 3, 3)
    assert torch.equal(batch.label, data.clips["val"].batch([0, 1]).label)
    assert (again.num_classes, again.frame_size) == (3, 3)


def test_the_folder_depends_on_what_the_features_depend_on(features):
    folder = features().folder
    assert features(batch_size=4, num_workers=1, device="auto", extraction_batch_size=1).folder == folder
    assert features(data_options={**CLIPS, "batch_size": 3}).folder == folder
    others = [{"map_size": 2}, {"image_size": 64}, {"data_options": {**CLIPS, "num_train": 7}}, {"weights": "DEFAULT"}]
    assert len({features(**other).folder for other in others} | {folder}) == 5


def test_every_epoch_has_the_same_clips_in_another_order(features):
    data = features()
    data.prepare_data()
    loader, epochs = data.train_dataloader(), []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        epochs.append(torch.cat([batch.video.flatten(1) for batch in loader]))
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[0].sort(dim=0).values, epochs[1].sort(dim=0).values)


def test_options_that_do_not_exist_are_refused(features):
    with pytest.raises(ValueError, match="'data_options' to be one of 'num_digits', .*got 'canvas_sizes'"):
        features(data_options={"canvas_sizes": 3})
    with pytest.raises(ValueError, match="'data' to be one of 'SyncMNISTData', 'MultiSyncMNISTData'"):
        features(data="Clips")
    with pytest.raises(FileNotFoundError, match="call prepare_data"):
        features().train_dataloader()


@pytest.mark.slow
def test_the_recipe_of_the_documentation_trains_and_is_scored(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["pyg-video"])
    monkeypatch.chdir(tmp_path)
    run = [
        *(f"--config={CONFIG}", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"),
        *("--trainer.enable_model_summary=false", "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1"),
        *("--data.extractor=resnet18", "--data.weights=", "--data.layer=layer3", "--data.device=cpu"),
        *("--data.image_size=48", "--data.map_size=3", "--data.batch_size=3", "--model.model_options.in_channels=256"),
        *(f"--data.data_options.{name}={list(v) if isinstance(v, tuple) else v}" for name, v in CLIPS.items()),
    ]
    assert main(["fit", *run]) == 0
    saved = tmp_path / "runs" / "frozen_features" / "version_0" / "checkpoints"
    assert load_model(saved / "best.safetensors").recipe.options["frame_size"] == 3
    assert main(["test", *run, f"--ckpt_path={saved / 'best.ckpt'}"]) == 0
    assert "test/acc" in capsys.readouterr().out
    assert len(list((tmp_path / "features").iterdir())) == 1
    assert CONFIG.read_text().startswith("# pyg-video fit --config examples/configs/frozen_features.yaml\n")
