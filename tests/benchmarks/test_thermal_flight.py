"""The table of thermal_flight: its configurations, what a fold records, and how folds become a row."""

import csv
import json

import numpy as np
import pytest
import thermal_flight
import thermal_flight_picture
from PIL import Image
from thermal_flight import CONFIGS, main, rows
from thermal_flight_table import ROWS, balanced_accuracy, bootstrap

from pyg_video._config import merged_config
from pyg_video.models import create_model

TINY = """
model: {model_options: {in_channels: 3, channels: [4], strides: [2], subtract_background: true}, warmup_steps: 1}
data:
  class_path: VideoFolderData
  init_args: {max_objects: 1, num_frames: 3, frame_size: 24, batch_size: 4, num_workers: 0, test_split: val,
    test_clips: 1}
trainer: {max_epochs: EPOCHS, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false,
  log_every_n_steps: 1}
"""


def test_every_row_has_a_configuration():
    assert set(ROWS) == set(rows())


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_model_on_what_moves(row):
    config = merged_config([CONFIGS / "base_thermal_flight.yaml", CONFIGS / f"thermal_flight_{row}.yaml"])
    options = config["model"]["model_options"] | {"frame_size": config["data"]["init_args"]["frame_size"]}
    net = create_model(config["model"]["model"], num_classes=4, **options)
    assert net.backbone.info[0].name == "background"
    names = [callback["class_path"].rsplit(".")[-1] for callback in config["trainer"]["callbacks"]]
    assert names == ["Timer", "RegionAgreement"][: 1 + (row in {"fixed", "static", "dyreg", "tracks"})]


@pytest.fixture
def flights(tmp_path, make_video):
    """Two classes at ten places, two in each fold, in the form of the data set."""
    root, clips = tmp_path / "flights", []
    (root / "videos").mkdir(parents=True)
    for number in range(20):
        make_video(root / "videos" / f"{number}.mp4", 6, codec="libx264")
        clips.append([f"{number}", "bird" if number % 2 else "drone", f"{number // 2}", f"{number // 4}"])
    with (root / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["clip", "class", "place_group", "place_fold"], *clips])
    names = np.array([clip[0] for clip in clips])
    index, frame = (grid.ravel() for grid in np.mgrid[:20, :6])
    ones = np.ones(120, dtype=np.float32)
    np.savez(
        root / "boxes.npz", clip_index=index, frame_index=frame, x=9 * ones, y=9 * ones, w=ones, h=ones, clips=names
    )
    return root


def test_a_fold_is_recorded_with_the_place_of_every_clip(flights, tmp_path, monkeypatch):
    configs = tmp_path / "configs"
    configs.mkdir()
    monkeypatch.setattr(thermal_flight, "CONFIGS", configs)
    monkeypatch.setattr(thermal_flight, "RESULTS", tmp_path / "results")
    (configs / "thermal_flight_static.yaml").write_text((CONFIGS / "thermal_flight_static.yaml").read_text())
    for epochs in (1, 2):
        (configs / "base_thermal_flight.yaml").write_text(TINY.replace("EPOCHS", str(epochs)))
        arguments = ["--model=static", "--folds", "4", f"--root={flights}", f"--folder={tmp_path / 'runs'}"]
        assert main(arguments) == 0
        found = json.loads((tmp_path / "results" / "static_4_0.json").read_text())
        assert [clip[:2] for clip in found["clips"]] == [["16", "8"], ["17", "8"], ["18", "9"], ["19", "9"]]
        assert sorted(clip[2] for clip in found["clips"]) == [0, 0, 1, 1]
        assert [point["videos"] for point in found["curve"]] == [16, 32][:epochs]
        assert "val/region_distance" in found["curve"][-1]
    picture = tmp_path / "picture.png"
    drawn = [f"--root={flights}", "--model=static", "--frames", "1", "4", f"--output={picture}", "--clips"]
    assert thermal_flight_picture.main([*drawn, "16", "19", f"--folder={tmp_path / 'runs'}"]) == 0
    with Image.open(picture) as image:
        assert image.size == (2 * 64 + 12, 2 * 48 + 12)
    with pytest.raises(FileNotFoundError, match="Expected a checkpoint in .*static_0_0"):
        thermal_flight_picture.main([*drawn, "1", f"--folder={tmp_path / 'runs'}"])


def test_classes_count_equally_however_many_clips_they_have():
    many, few = [("a", 0, 0)] * 9, [("b", 1, 1), ("b", 1, 0)]
    assert balanced_accuracy(many + few) == 0.75


def test_the_error_is_that_of_places():
    assert bootstrap([("a", 0, 0), ("b", 0, 0), ("a", 1, 1), ("b", 1, 1)]) == 0
    assert bootstrap([("a", 0, 0), ("b", 0, 1)]) > 0.3
