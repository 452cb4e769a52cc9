import pytest
import torch

from pyg_video.evaluation.scores import ClipScores


def scores(folder, **changes):
    return ClipScores(4, 2, path=folder / "s.safetensors", about={"model": "a", **changes})


def test_what_was_written_is_not_missing(tmp_path):
    with scores(tmp_path) as first:
        first.add([3, 1], torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0]))
    second = scores(tmp_path)
    assert second.missing() == [0, 2]
    assert second.missing(2) == [0]
    assert second.scores[1].tolist() == [3, 4]
    assert second.target.tolist() == [-1, 0, -1, 1]


def test_an_error_keeps_what_is_known(tmp_path):
    def interrupted():
        with scores(tmp_path) as first:
            first.add([0], torch.zeros(1, 2), torch.tensor([1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert scores(tmp_path).missing() == [1, 2, 3]


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ClipScores(4, 2) as memory:
        memory.add([0], torch.zeros(1, 2), torch.tensor([1]))
    assert memory.missing() == [1, 2, 3]
    assert not list(tmp_path.iterdir())


def test_scores_of_something_else_are_not_taken_up(tmp_path):
    scores(tmp_path).write()
    with pytest.raises(ValueError, match="of the same evaluation .*model 'a' instead of 'b'"):
        scores(tmp_path, model="b")
    with pytest.raises(ValueError, match="number of clips and classes"):
        ClipScores(4, 3, path=tmp_path / "s.safetensors", about={"model": "a"})


def test_damaged_files_are_named(tmp_path):
    scores(tmp_path).write()
    path = tmp_path / "s.safetensors"
    whole = path.read_bytes()
    for content in (whole[:20], whole[:-3] + b"\1" + whole[-2:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Expected whole scores in '.*s.safetensors'"):
            scores(tmp_path)
