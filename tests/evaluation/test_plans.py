import pytest
import torch

from pyg_video.evaluation.plans import ascending, at_rate, frames_within

TIMES = torch.tensor([0.0, 0.1, 0.2, 1.0, 1.1, 1.2], dtype=torch.float64)  # five frames and the end


@pytest.mark.parametrize(
    ("part", "expected"), [((0, 1.2), (0, 5)), ((0, 0.2), (0, 2)), ((0.1, 1.05), (1, 4)), ((0.4, 0.8), (2, 3))]
)
def test_frames_within_a_part_begin_there_or_are_shown_then(part, expected):
    assert frames_within(TIMES, *part) == expected


def test_numbers_of_overlapping_plans_ascend_each_once_and_no_sooner_than_needed():
    taken = []
    plans = ([3, 1, 5], [4, 5, 9], [9, 12, 9])
    numbers = ascending(taken.append(plan) or torch.tensor(plan) for plan in plans)
    assert next(numbers) == 1
    assert len(taken) == 2
    assert list(numbers) == [3, 4, 5, 9, 12]


@pytest.mark.parametrize(
    ("rate", "expected"), [(None, [0, 1, 2, 3, 4]), (10, [0, 1, 2, 3, 4]), (5, [0, 2, 3, 4]), (1, [0, 3])]
)
def test_a_rate_is_one_at_most(rate, expected):
    assert list(at_rate(TIMES[:-1].tolist(), rate)) == expected


def test_a_video_of_one_frame_has_one():
    assert frames_within(torch.tensor([0.0, 0.0005]), 0.0, 0.0005) == (0, 1)
    assert frames_within(torch.tensor([0.0, 0.0005, 0.001]), 0.0, 0.001) == (0, 1)
