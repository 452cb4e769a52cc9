import math

import pytest
import torch

from pyg_video.metrics import TemporalConsistency


def path(*positions):
    """One box on the frame's middle line, frame by frame: [1, T, 1, 4]."""
    return torch.tensor([[x, 0.5, 0.1, 0.1] for x in positions]).view(1, -1, 1, 4)


STILL_LEFT, STILL_RIGHT = path(0.1, 0.1, 0.1), path(0.9, 0.9, 0.9)
CROSSING = path(0.2, 0.4, 0.8)


def both(*paths):
    return torch.cat(paths, dim=2)


@pytest.mark.parametrize(
    ("regions", "identity", "motion"),
    [
        (both(STILL_LEFT, STILL_RIGHT), 0.5, 0.0),  # the object passes from the left region to the right one
        (both(CROSSING, STILL_RIGHT), 1.0, 1.0),
        (path(0.5, 0.7, 1.1), 1.0, 1.0),  # at a constant offset
        (path(0.2, 0.3, 0.5), 1.0, 0.5),
        (path(0.2, 0.0, -0.4), 1.0, -1.0),  # the other way
    ],
)
def test_small_cases(regions, identity, motion, score):
    assert score(TemporalConsistency(), regions, CROSSING) == pytest.approx(identity)
    assert score(TemporalConsistency("motion"), regions, CROSSING) == pytest.approx(motion, abs=1e-6)


def test_jitter_at_a_still_object_counts(score):
    objects, regions = both(CROSSING, STILL_LEFT), both(CROSSING, path(0.1, 0.2, 0.1))
    want = 1 - (0.1 + 0.1) / (0.2 + 0.4)
    assert score(TemporalConsistency("motion"), regions, objects) == pytest.approx(want, abs=1e-6)


def test_no_motion_at_all_is_nan(score):
    assert math.isnan(score(TemporalConsistency("motion"), STILL_LEFT, STILL_LEFT))


def test_an_object_that_comes_and_goes_counts_where_it_is_there_twice(score):
    mask = torch.tensor([True, True, False]).view(1, 3, 1)
    assert score(TemporalConsistency(), both(STILL_LEFT, STILL_RIGHT), CROSSING, mask) == 1


def test_a_single_frame_has_no_motion(score):
    assert math.isnan(score(TemporalConsistency(), path(0.1), path(0.1)))
