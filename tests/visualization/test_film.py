from fractions import Fraction

import pytest
import torch

from pyg_video.datasets import decode_frames, probe_video
from pyg_video.datasets.video.timetable import frame_times, timetable
from pyg_video.visualization import save_mp4
from pyg_video.visualization.film import open_film


def test_a_video_comes_back(tmp_path):
    frames = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 1, 16, 24)
    path = save_mp4(tmp_path / "new" / "clip.mp4", frames, fps=4)
    info = probe_video(path)
    assert info == (6, 4.0, 16, 24)
    read = decode_frames(path, range(6)).float() / 255
    torch.testing.assert_close(read, frames.expand(-1, 3, -1, -1), atol=0.03, rtol=0)
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]


def test_the_last_row_and_column_of_odd_sizes_are_repeated(tmp_path):
    path = save_mp4(tmp_path / "clip.mp4", torch.ones(2, 3, 17, 25))
    assert probe_video(path)[2:] == (18, 26)
    assert decode_frames(path, [0]).float().min() > 240


def test_what_is_no_mp4_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected 'frames'"):
        save_mp4(tmp_path / "clip.mp4", torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match="Expected 'fps'"):
        save_mp4(tmp_path / "clip.mp4", torch.zeros(3, 1, 8, 8), fps=0)
    assert not list(tmp_path.iterdir())


def test_frames_may_have_times_of_their_own(tmp_path):
    times = [0.0, 0.125, 0.5, 0.625]
    with open_film(tmp_path / "clip.mp4", 16, 24, Fraction(8), unit=Fraction(1, 1000)) as film:
        for time in times:
            film.write(torch.full((1, 16, 24), time), time)
    table = timetable(tmp_path / "clip.mp4")
    torch.testing.assert_close(frame_times(table)[:-1], torch.tensor(times, dtype=torch.float64), atol=1e-3, rtol=0)


def test_colours_come_back_and_are_named(tmp_path):
    color = torch.tensor([200, 60, 30], dtype=torch.uint8)
    path = save_mp4(tmp_path / "clip.mp4", color.view(1, 3, 1, 1).expand(3, 3, 32, 48))
    found = decode_frames(path, [1])[0, :, 16, 24]
    torch.testing.assert_close(found.float(), color.float(), atol=3, rtol=0)
    import av

    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (6, 1)


def test_an_error_leaves_no_film(tmp_path):
    with pytest.raises(RuntimeError), open_film(tmp_path / "clip.mp4", 16, 24, Fraction(8)) as film:
        film.write(torch.rand(2, 16, 24), 0)
    assert not list(tmp_path.iterdir())
