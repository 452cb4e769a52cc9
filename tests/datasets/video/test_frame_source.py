import torch

from pyg_video.datasets import decode_frames
from pyg_video.datasets.video.frame_source import DecodedFrames


def test_frames_come_in_the_shape_of_their_numbers(make_video, tmp_path):
    path = make_video(tmp_path / "a.webm", 8, rate=4)
    number = torch.tensor([[7, 0, 3], [3, 3, 0]])
    frames = DecodedFrames().read(path, number)
    assert frames.shape == (2, 3, 3, 48, 64)
    assert torch.equal(frames.flatten(0, 1), decode_frames(path, number.flatten().tolist()))


def test_times_begin_at_zero_and_end_with_the_last_frame(make_video, tmp_path):
    about = DecodedFrames().about(make_video(tmp_path / "a.webm", 8, rate=4))
    assert about.times.tolist() == [k / 4 for k in range(9)]
    assert about[1:] == (4.0, 48, 64)
