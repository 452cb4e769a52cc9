import numpy as np
import pytest

from pyg_video.datasets import VideoFileError
from pyg_video.datasets.video.sound import opened_sound


def test_the_packets_of_the_sound_come_with_their_times(make_video, tmp_path, write_sound):
    path = write_sound(tmp_path / "a.mp4", seconds=1)
    with opened_sound(path) as sound:
        times = [float(packet.pts * packet.time_base) for packet in sound.packets]
        assert sound.stream.codec_context.name == "aac"
    assert times == sorted(times)
    assert times[-1] == pytest.approx(1, abs=0.15)
    assert np.diff(times).max() < 0.1


def test_a_video_without_sound_has_none(make_video, tmp_path):
    with opened_sound(make_video(tmp_path / "a.webm")) as sound:
        assert sound is None


def test_errors_of_others_stay_as_they_are_and_those_of_the_file_name_it(make_video, tmp_path):
    path = make_video(tmp_path / "a.webm")
    with pytest.raises(KeyError), opened_sound(path):
        raise KeyError
    with pytest.raises(VideoFileError, match="nowhere.mp4"), opened_sound(tmp_path / "nowhere.mp4"):
        pass
