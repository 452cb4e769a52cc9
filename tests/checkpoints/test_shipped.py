import pytest

from pyg_video.checkpoints import shipped, shipped_checkpoint


def test_unknown_names_are_answered_with_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    (tmp_path / "small.safetensors").touch()
    assert shipped_checkpoint("small") == tmp_path / "small.safetensors"
    with pytest.raises(ValueError, match=r"one of: small \(got 'large'\)"):
        shipped_checkpoint("large")
