import pytest
import torch

from pyg_video.datasets import VideoFileError
from pyg_video.datasets.video.timetable import frame_times, timetable


def test_files_with_times_are_numbered_by_them(numbered_videos):
    table = timetable(numbered_videos("a.mp4", "h264", num_frames=80))
    assert (table.num_frames, table.frame_rate, table.height, table.width) == (80, 25.0, 48, 64)
    assert len(table.times) == 80
    assert list(table.times) == sorted(set(table.times))
    assert set(table.keys) <= set(table.times)
    assert len(table.keys) == len(table.seeks) >= 4  # every 24 frames and where the picture changes
    assert table.keys[0] == table.times[0]
    assert (table.codec, table.plain, table.aspect) == ("h264", True, 1.0)


def test_files_without_times_of_all_frames_are_counted(numbered_videos):
    table = timetable(numbered_videos("a.avi", "mpeg4", num_frames=30))  # with reordered frames
    assert (table.num_frames, list(table.times), list(table.keys)) == (30, [], [])
    torch.testing.assert_close(frame_times(table), torch.arange(31, dtype=torch.float64) / 25)


def test_times_begin_at_zero_and_end_when_the_last_frame_is_over(numbered_videos):
    times = frame_times(timetable(numbered_videos("a.mp4", "h264", num_frames=80)))
    torch.testing.assert_close(times, torch.arange(81, dtype=torch.float64) / 25, atol=1e-3, rtol=0)


def test_a_file_is_looked_at_again_once_it_has_changed(numbered_videos, tmp_path):
    path = tmp_path / "a.mp4"
    for num_frames in (80, 30):
        path.write_bytes(numbered_videos("a.mp4", "h264", num_frames=num_frames).read_bytes())
        assert timetable(path).num_frames == num_frames
        assert timetable(path) is timetable(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VideoFileError, match="nothing.mp4' .got no file"):
        timetable(tmp_path / "nothing.mp4")
