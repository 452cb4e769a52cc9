import pytest
import torch

from pyg_video.datasets import decode_frames, probe_video
from pyg_video.visualization import caption, save_mp4


def test_a_video_comes_back(tmp_path):
    frames = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 1, 16, 24)
    path = save_mp4(tmp_path / "new" / "clip.mp4", frames, fps=4)
    info = probe_video(path)
    assert info == (6, 4.0, 16, 24)
    read = decode_frames(path, range(6)).float() / 255
    torch.testing.assert_close(read, frames.expand(-1, 3, -1, -1), atol=0.03, rtol=0)
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]


def test_odd_sizes_get_a_black_border(tmp_path):
    path = save_mp4(tmp_path / "clip.mp4", torch.ones(2, 3, 17, 25))
    assert probe_video(path)[2:] == (18, 26)
    frame = decode_frames(path, [0])[0]
    assert frame[:, :17, :25].float().mean() > 240
    assert frame[:, 17].float().mean() < 60


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected 'frames'"):
        save_mp4(tmp_path / "clip.mp4", torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match="Expected 'fps'"):
        save_mp4(tmp_path / "clip.mp4", torch.zeros(3, 1, 8, 8), fps=0)
    assert not list(tmp_path.iterdir())


def test_captions_stand_below_the_frames():
    frames = torch.rand(2, 3, 20, 30)
    found = caption(frames, ["12 %  something", "a line that is much wider than the frames are"])
    assert found.shape[0] == 2
    assert found.shape[2] == 20 + 2 * 18
    assert found.shape[3] > 30
    assert torch.equal(found[:, :, :20, :30], frames.mul(255).round().byte())
    assert torch.equal(found[0, :, 20:], found[1, :, 20:])
    assert len(found[0, :, 20:38].unique()) > 2
