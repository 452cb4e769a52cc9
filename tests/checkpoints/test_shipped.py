import pytest
import torch

from pyg_video.checkpoints import SHIPPED_TASK, load_model, shipped, shipped_checkpoint
from pyg_video.datasets import SyncMNIST
from pyg_video.evaluation import DigitSource, evaluate


def test_unknown_names_are_answered_with_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    (tmp_path / "small.safetensors").touch()
    assert shipped_checkpoint("small") == tmp_path / "small.safetensors"
    with pytest.raises(ValueError, match=r"one of: small \(got 'large'\)"):
        shipped_checkpoint("large")


@pytest.mark.parametrize("name", ["dyreg_gnn_small", "cnn_small"])
def test_shipped_models_are_small_and_load(name):
    path = shipped_checkpoint(name)
    assert path.stat().st_size < 2_000_000
    assert path.with_name(f"{name}_curve.csv").is_file()
    assert load_model(path)(torch.rand(1, 8, 1, 40, 40)).shape == (1, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least", "most"), [("dyreg_gnn_small", 0.9, 1), ("rstg_small", 0.9, 1), ("cnn_small", 0.4, 0.6)]
)
def test_shipped_models_are_as_accurate_as_their_card_says(name, least, most):
    clips = DigitSource(SyncMNIST(split="test", num_clips=400, **SHIPPED_TASK), "generated", "bundled")
    assert least < evaluate(load_model(shipped_checkpoint(name)), clips).top1.share < most
