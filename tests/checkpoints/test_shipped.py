from pathlib import Path

import pytest
import torch

from pyg_video._config import merged_config
from pyg_video.checkpoints import SHIPPED_TASK, load_model, shipped, shipped_checkpoint
from pyg_video.datasets import MultiSyncMNIST, SyncMNIST
from pyg_video.evaluation import DigitSource, evaluate

CONFIGS = Path(__file__).parents[2] / "examples" / "configs" / "reproduce"
FIVE_DIGITS = {"rstg_residual_small": (SyncMNIST, "sync_mnist"), "tracks_small": (MultiSyncMNIST, "multi_sync_mnist")}
NAMES = shipped.shipped_names()


def clips_of(name, num_clips):
    """Test clips of the task that a shipped model was trained on."""
    if name not in FIVE_DIGITS:
        return SyncMNIST(split="test", num_clips=num_clips, **SHIPPED_TASK)
    kind, task = FIVE_DIGITS[name]
    data = merged_config([CONFIGS / f"{task}_5_small.yaml"])["data"]["init_args"]
    own = ("batch_size", "num_train", "num_val", "num_test", "num_workers")
    return kind(split="test", num_clips=num_clips, **{key: value for key, value in data.items() if key not in own})


def test_unknown_names_are_answered_with_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    (tmp_path / "small.safetensors").touch()
    assert shipped_checkpoint("small") == tmp_path / "small.safetensors"
    with pytest.raises(ValueError, match=r"one of: small \(got 'large'\)"):
        shipped_checkpoint("large")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_models_are_small_and_load(name):
    path = shipped_checkpoint(name)
    assert path.stat().st_size < 2_000_000
    assert path.with_name(f"{name}_curve.csv").is_file()
    model = load_model(path)
    side = model.recipe.options["frame_size"]
    assert model(torch.rand(1, 8, 1, side, side)).shape == (1, model.recipe.options["num_classes"])


@pytest.mark.parametrize("name", NAMES)
def test_lower_precisions_stay_close_to_float64(name):
    video, model = clips_of(name, 12).batch(range(12)).video, load_model(name)

    def difference(scores):
        assert (scores.argmax(-1) == exact.argmax(-1)).float().mean() > 0.9
        return (scores.double().softmax(-1) - exact.softmax(-1)).abs().amax(-1)

    with torch.no_grad():
        exact = model.double()(video.double())
        assert difference(model.float()(video)).max() < 1e-5
        with torch.autocast("cpu", torch.bfloat16):
            assert difference(model(video)).median() < 0.01
        assert difference(model.to(torch.bfloat16)(video.bfloat16())).median() < 0.01
        assert difference(load_model(name).half()(video.half())).median() < 0.002


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("dyreg_gnn_small", 0.9, 1),
        ("rstg_small", 0.9, 1),
        ("cnn_small", 0.4, 0.6),
        ("tracks_small", 0.7, 0.8),
        ("rstg_residual_small", 0.75, 0.86),
    ],
)
def test_shipped_models_are_as_accurate_as_their_card_says(name, least, most):
    source = DigitSource(clips_of(name, 400), "generated", "bundled")
    assert least < evaluate(load_model(shipped_checkpoint(name)), source).top1.share < most
