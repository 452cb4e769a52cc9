from pathlib import Path

import pytest
import torch

from pyg_video._config import merged_config
from pyg_video.checkpoints import SHIPPED_TASK, load_model, shipped, shipped_checkpoint
from pyg_video.datasets import MultiSyncMNIST, SyncMNIST
from pyg_video.evaluation import DigitSource, evaluate

CONFIGS = Path(__file__).parents[2] / "examples" / "configs" / "reproduce"


def test_unknown_names_are_answered_with_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    (tmp_path / "small.safetensors").touch()
    assert shipped_checkpoint("small") == tmp_path / "small.safetensors"
    with pytest.raises(ValueError, match=r"one of: small \(got 'large'\)"):
        shipped_checkpoint("large")


@pytest.mark.parametrize("name", shipped.shipped_names())
def test_shipped_models_are_small_and_load(name):
    path = shipped_checkpoint(name)
    assert path.stat().st_size < 2_000_000
    assert path.with_name(f"{name}_curve.csv").is_file()
    model = load_model(path)
    side = model.recipe.options["frame_size"]
    assert model(torch.rand(1, 8, 1, side, side)).shape == (1, model.recipe.options["num_classes"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "least", "most"),
    [("tracks_small", "multi_sync_mnist", 0.7, 0.78), ("rstg_residual_small", "sync_mnist", 0.76, 0.85)],
)
def test_shipped_models_of_five_digits_are_as_accurate_as_their_card_says(name, task, least, most):
    options = merged_config([CONFIGS / f"{task}_5_small.yaml"])["data"]["init_args"]
    names = ("num_digits", "num_frames", "canvas_size", "frame_size", "digit_size", "classes", "max_step")
    kind = MultiSyncMNIST if task == "multi_sync_mnist" else SyncMNIST
    clips = kind(split="test", num_clips=1000, random_probability=0.0, **{key: options[key] for key in names})
    source = DigitSource(clips, "generated", "bundled")
    assert least < evaluate(load_model(shipped_checkpoint(name)), source).top1.share < most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least", "most"), [("dyreg_gnn_small", 0.9, 1), ("rstg_small", 0.9, 1), ("cnn_small", 0.4, 0.6)]
)
def test_shipped_models_are_as_accurate_as_their_card_says(name, least, most):
    clips = DigitSource(SyncMNIST(split="test", num_clips=400, **SHIPPED_TASK), "generated", "bundled")
    assert least < evaluate(load_model(shipped_checkpoint(name)), clips).top1.share < most
