"""The picture of kernels beside each other."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import region_pictures
from PIL import Image
from region_pictures import ROWS, main
from reproduce import Run

from pyg_video.models import create_model


def untrained(path):
    options = Run("multi_sync_mnist", path.name, "small", 5, 0, Path()).config["model"]
    model = create_model(options["model"], num_classes=16, frame_size=64, **options["model_options"])
    return SimpleNamespace(model=model.eval())


def test_every_row_gets_three_frames(monkeypatch, tmp_path):
    monkeypatch.setattr(region_pictures, "load_trained", untrained)
    monkeypatch.setattr(Run, "best", lambda run: Path(run.name.split("_small_")[1].removesuffix("_0")))
    assert main([f"--output={tmp_path}"]) == 0
    with Image.open(tmp_path / "kernels.png") as picture:
        width, height = picture.size
    assert width == 3 * (64 * 3 + 4) + 4
    assert height > len(ROWS) * 64 * 3


def test_a_row_that_was_not_trained_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected a checkpoint in .*multi_sync_mnist_5_small_static_0"):
        main([f"--folder={tmp_path}", f"--output={tmp_path}"])


def test_the_tracks_of_the_shipped_model_are_drawn(tmp_path):
    assert main([f"--output={tmp_path}", "--rows"]) == 0
    with Image.open(tmp_path / "tracks.png") as picture:
        assert picture.width > 4 * 64 * 3
        assert picture.height > 2 * 64 * 3
    assert not (tmp_path / "kernels.png").exists()
