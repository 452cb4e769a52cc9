import pytest
import torch

from pyg_video.evaluation.video_scores import VideoScores


def scores(folder, **changes):
    return VideoScores(folder / "s.safetensors", {"model": "a", **changes}, num_videos=4, num_classes=2)


def test_what_was_written_is_not_missing(tmp_path):
    first = scores(tmp_path)
    first.add(torch.tensor([3, 1]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    first.write()
    second = scores(tmp_path)
    assert second.missing() == [0, 2]
    assert second.scores[1].tolist() == [3, 4]


def test_scores_of_something_else_are_not_taken_up(tmp_path):
    scores(tmp_path).write()
    with pytest.raises(ValueError, match="of the same evaluation .*model 'a' instead of 'b'"):
        scores(tmp_path, model="b")
    with pytest.raises(ValueError, match="number of classes"):
        VideoScores(tmp_path / "s.safetensors", {"model": "a"}, num_videos=4, num_classes=3)


def test_damaged_files_are_named(tmp_path):
    scores(tmp_path).write()
    path = tmp_path / "s.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"Expected whole scores in '.*s.safetensors'"):
        scores(tmp_path)
