import json

import pytest
import torch

from pyg_video.datasets import VideoFileError, decode_frames, probe_video
from pyg_video.evaluation.live import draw_live, predict_live
from pyg_video.evaluation.video_model import VideoModel


@pytest.fixture
def model(looking):
    return VideoModel(looking(), stream=True)


@pytest.fixture
def frames(spot_video):
    """Frames and their times, every eighth of a second."""
    found = decode_frames(spot_video(num_frames=20), range(20))
    return [(k / 8, frame) for k, frame in enumerate(found)]


def test_every_frame_comes_with_what_the_model_made_of_all_before(model, frames):
    found = [prediction for _, _, prediction in predict_live(model, frames, "camera")]
    whole, _ = model.scan(torch.stack([model.crops(frame) for _, frame in frames]))
    torch.testing.assert_close(found[-1].probability, whole.probability)
    (box,) = whole.regions.values()
    torch.testing.assert_close(torch.cat([next(iter(one.regions.values())) for one in found]), box)
    assert [one.end for one in found] == [time for time, _ in frames]


def test_a_film_and_predictions_are_written(model, frames, tmp_path):
    told = []
    draw_live(model, frames, "camera", tmp_path / "film.mp4", told.append, every=1.0)
    assert [(one.start, one.end, len(one.times)) for one in told] == [(0, 1, 9), (1.125, 2.125, 9), (2.25, 2.375, 2)]
    info = probe_video(tmp_path / "film.mp4")
    assert (info.num_frames, info.height, info.width) == (20, 96, 128)
    told.clear()
    draw_live(model, frames, "camera", None, told.append, every=9.0)
    assert [len(one.times) for one in told] == [20]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), VideoFileError.of("camera", "no more bytes", "wait")])
def test_what_is_stopped_or_lost_is_whole_up_to_there(model, frames, tmp_path, error):
    def broken():
        yield from frames[:12]
        raise error

    told = []
    with pytest.raises(type(error)):
        draw_live(model, broken(), "camera", tmp_path / "film.mp4", told.append)
    assert probe_video(tmp_path / "film.mp4").num_frames == 12
    assert sum(len(one.times) for one in told) == 12


def test_no_frame_and_frames_of_another_size_are_errors(model, frames, tmp_path):
    with pytest.raises(VideoFileError, match="no frame"):
        draw_live(model, [], "camera", tmp_path / "film.mp4", print)
    other = [*frames[:3], (1.0, torch.zeros(3, 60, 80, dtype=torch.uint8))]
    with pytest.raises(VideoFileError, match="frames of several sizes"):
        draw_live(model, other, "camera", tmp_path / "film.mp4", lambda one: json.dumps(one.start))
    assert probe_video(tmp_path / "film.mp4").num_frames == 3


def test_a_model_is_shown_frames_at_its_rate_and_the_film_has_all(looking, frames, tmp_path):
    model = VideoModel(looking(), stream=True, frame_rate=2.0)
    shown = [time for time, _, prediction in predict_live(model, frames, "camera") if prediction is not None]
    assert shown == [0.0, 0.5, 1.0, 1.5, 2.0]
    told = []
    draw_live(model, frames, "camera", tmp_path / "film.mp4", told.append, every=9.0)
    assert told[0].times.tolist() == shown
    assert probe_video(tmp_path / "film.mp4").num_frames == 20


def test_ctrl_c_while_a_prediction_is_told_does_not_tell_it_twice(model, frames, tmp_path):
    told = []

    def add(prediction):
        told.append(prediction)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_live(model, frames[:12], "camera", tmp_path / "film.mp4", add)
    assert [one.start for one in told] == [0.0]
