import csv
import json

import pytest
import torch

from pyg_video.datasets import VideoFileError
from pyg_video.evaluation import predict_stream, predict_video, predict_windows
from pyg_video.evaluation.record import as_json, open_record


def read(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return json.loads((folder / "predictions.json").read_text()), list(csv.DictReader(file))


def test_everything_is_in_the_json_and_the_best_in_the_csv(looking, spot_video, tmp_path):
    path = spot_video(num_frames=24)
    windows = list(predict_windows(looking(96), path, 1.0, 0.5, views=1))
    with open_record(tmp_path, {"checkpoint": "a.ckpt"}, top=2) as record, record.video("spot", num_frames=24) as entry:
        assert list(entry.each(windows)) == windows
    told, rows = read(tmp_path)
    (video,) = told["videos"]
    assert (told["format"], told["checkpoint"]) == (1, "a.ckpt")
    assert [video[name] for name in ("video", "width", "height", "num_frames")] == [
        "spot",
        128,
        96,
        24,
    ]
    assert video["square"] == [16, 0, 112, 96]
    assert [(one["start"], one["end"]) for one in video["windows"]] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5), (2, 3)]
    mean = torch.stack([one.probability for one in windows]).mean(0)
    shares = {one["name"]: one["probability"] for one in video["classes"]}
    torch.testing.assert_close(
        torch.tensor([shares[name] for name in ("push", "pull", "lift")]), mean, atol=1e-5, rtol=0
    )
    assert video["complete"]
    assert [(row["start"], row["rank"]) for row in rows[:3]] == [("0.000", "1"), ("0.000", "2"), ("0.500", "1")]
    assert rows[0]["name"] == windows[0].top(1)[0][0]
    assert len(rows) == 2 * len(windows)


def test_regions_are_in_pixels_of_the_original_frame(looking, spot_video):
    found = predict_video(looking(96), spot_video(), num_frames=2, views=1)
    (name,) = found.regions
    found.regions[name] = torch.tensor([[[0.5, 0.5, 0.5, 1.0]], [[torch.nan] * 4]])
    told = as_json(found)
    assert told["frames"] == found.numbers.tolist() == [4, 12]
    assert told["times"] == [0.5, 1.5]
    assert told["regions"] == {name: [[[40.0, 0.0, 88.0, 96.0]], [None]]}  # the square is 96 pixels from 16 on
    json.dumps(told, allow_nan=False)


def test_the_classes_of_a_stream_are_those_at_its_end(looking, spot_video, tmp_path):
    found = list(predict_stream(looking(), spot_video(), every=0.5))
    with open_record(tmp_path, {}, stream=True) as record, record.video("spot") as entry:
        for one in found:
            entry.add(one)
        assert torch.equal(entry.overall.probability, found[-1].probability)


def test_a_video_with_an_error_leaves_nothing_and_others_stay(looking, spot_video, tmp_path):
    found = predict_video(looking(), spot_video())
    with open_record(tmp_path, {}) as record:
        for name in ("a", "b", "c"):
            try:
                with record.video(name) as entry:
                    entry.add(found)
                    if name != "b":
                        continue
                    entry.add(found)
                    raise VideoFileError
            except VideoFileError:
                pass
    told, rows = read(tmp_path)
    assert [video["video"] for video in told["videos"]] == ["a", "c"]
    assert {row["video"] for row in rows} == {"a", "c"}


def test_without_a_video_the_list_is_empty_and_an_error_leaves_no_file(tmp_path):
    with open_record(tmp_path, {}):
        pass
    assert read(tmp_path) == ({"format": 1, "videos": []}, [])
    with pytest.raises(KeyError), open_record(tmp_path / "other", {}):
        raise KeyError
    assert not (tmp_path / "other").exists()


def test_names_write_no_formulas(looking, spot_video, tmp_path):
    found = predict_video(looking(), spot_video())._replace(names=("=HYPERLINK(1)", "b\x1b[2J", "-c"))
    with open_record(tmp_path, {}) as record, record.video("=spot") as entry:
        entry.add(found)
    _, rows = read(tmp_path)
    assert {row["name"] for row in rows} == {"'=HYPERLINK(1)", "b\\x1b[2J", "'-c"}
    assert rows[0]["video"] == "'=spot"


def test_a_prediction_that_cannot_be_written_leaves_no_half_of_itself(looking, spot_video, tmp_path):
    found = predict_video(looking(), spot_video())
    broken = found._replace(times=torch.full_like(found.times, torch.nan))
    with open_record(tmp_path, {}) as record, record.video("spot") as entry:
        with pytest.raises(ValueError, match="not JSON compliant"):
            entry.add(broken)
        entry.add(found)
    told, rows = read(tmp_path)
    assert len(told["videos"][0]["windows"]) == 1
    assert {row["video"] for row in rows} == {"spot"}
