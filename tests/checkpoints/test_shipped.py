import pytest
import torch

from pyg_video.checkpoints import load_model, shipped, shipped_checkpoint


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
