import pytest
import torch
from torch import Generator

from pyg_video.datasets.video.sampling import (
    dense_indices,
    dense_times,
    segment_indices,
    segment_times,
    shown_at,
    window_parts,
)


def test_the_middles_of_the_segments():
    assert segment_indices(32, 8).tolist() == [[2, 6, 10, 14, 18, 22, 26, 30]]
    assert segment_indices(37, 8).tolist() == [[int(37 / 16 + 37 / 8 * k) for k in range(8)]]


def test_the_second_clip_starts_each_segment():
    assert segment_indices(37, 8, 2)[1].tolist() == [int(37 / 8 * k) for k in range(8)]


def test_random_frames_stay_in_their_segments_and_reach_all_of_them():
    generator = Generator().manual_seed(0)
    seen = torch.cat([segment_indices(43, 8, 2, generator=generator) for _ in range(60)])
    assert torch.equal(seen // 5, torch.arange(8).expand(120, 8))  # segments of 43 // 8 frames
    assert all(len(frames.unique()) == 5 for frames in seen.T)


@pytest.mark.parametrize("generator", [None, Generator()])
@pytest.mark.parametrize("num_frames", [1, 3, 7])
def test_short_videos_repeat_frames_in_their_order(num_frames, generator):
    indices = segment_indices(num_frames, 8, generator=generator)[0]
    assert indices.unique().tolist() == list(range(num_frames))
    assert torch.equal(indices, indices.sort()[0])


def test_dense_windows_are_spread_from_start_to_end():
    assert dense_indices(100, 16, 10)[:, 0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    assert dense_indices(100, 16)[0].tolist() == list(range(18, 82, 4))
    assert dense_indices(100, 16, 10).max() < 100


def test_random_dense_windows_lie_anywhere():
    generator = Generator().manual_seed(0)
    start = torch.cat([dense_indices(70, 16, generator=generator)[:, 0] for _ in range(60)])
    assert start.unique().tolist() == list(range(7))


def test_a_video_shorter_than_the_window_starts_over():
    assert dense_indices(10, 8, window=16)[0].tolist() == [0, 2, 4, 6, 8, 0, 2, 4]


@pytest.mark.parametrize("sample", [segment_indices, dense_indices])
@pytest.mark.parametrize("wrong", [(0, 8, 1), (10, 0, 1), (10, 8, 0)])
def test_nothing_to_sample_is_refused(sample, wrong):
    with pytest.raises(ValueError, match="at least one frame in the video"):
        sample(*wrong)


def test_times_are_those_of_the_frames_at_a_constant_rate():
    times = torch.arange(38) / 25
    for num_clips in (1, 2):
        moments = segment_times(0, 37 / 25, 8, num_clips)
        assert torch.equal(shown_at(times.double(), moments), segment_indices(37, 8, num_clips))


def test_random_moments_stay_in_their_parts():
    generator = Generator().manual_seed(0)
    moments = torch.cat([segment_times(2, 6, 4, 2, generator=generator) for _ in range(50)])
    assert torch.equal(moments.floor(), torch.arange(2.0, 6.0).expand(100, 4).double())
    assert ((moments % 1).min() < 0.1) & ((moments % 1).max() > 0.9)


def test_windows_in_time():
    assert dense_times(1, 5, 2, frame_rate=1).tolist() == [[2.0, 3.0]]
    assert dense_times(1, 5, 2, 3, frame_rate=1).tolist() == [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]
    assert dense_times(0, 1, 4, frame_rate=2).tolist() == [[0.0, 0.5, 0.0, 0.5]]
    generator = Generator().manual_seed(0)
    starts = torch.cat([dense_times(1, 5, 2, frame_rate=1, generator=generator)[:, 0] for _ in range(50)])
    assert (starts.min() < 1.2) & (starts.max() > 2.8) & (starts.max() <= 3)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (2.5, [(0, 1), (1, 2), (1.5, 2.5)]),
        (2, [(0, 1), (1, 2)]),
        (0.5, [(0, 0.5)]),
        (2.0004, [(0, 1), (1.0004, 2.0004)]),  # files store times in milliseconds
    ],
)
def test_windows_cover_a_time_to_its_end(end, expected):
    assert list(window_parts(0, end, 1.0, 1.0)) == expected


def test_windows_may_overlap_and_leave_gaps():
    assert list(window_parts(1.0, 3.0, 1.0, 0.5)) == [(1, 2), (1.5, 2.5), (2, 3)]
    assert list(window_parts(0.0, 5.0, 1.0, 2.0)) == [(0, 1), (2, 3), (4, 5)]
