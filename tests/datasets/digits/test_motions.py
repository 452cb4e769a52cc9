import pytest
import torch

from pyg_video.datasets.counter_random import clip_key
from pyg_video.datasets.digits.motions import MOTIONS, jumps, smooth

SYNC = torch.tensor([True, False, True, False, True])
CLIPS, ROOM, STEP = 400, 26, 5


def play(motion, sync=SYNC, num_frames=12, room=ROOM, max_step=STEP):
    return motion(clip_key(0, torch.arange(CLIPS)), sync.expand(CLIPS, -1), num_frames, room, max_step)


@pytest.mark.parametrize("motion", MOTIONS.values())
def test_digits_stay_on_the_canvas_and_use_all_of_it(motion):
    position = play(motion)
    assert position.shape == (CLIPS, 12, 5, 2)
    assert position.dtype == torch.int64
    assert (position.min(), position.max()) == (0, ROOM)


@pytest.mark.parametrize("motion", MOTIONS.values())
@pytest.mark.parametrize("max_step", [1, 4, 5, 10])
def test_no_step_is_longer_than_the_longest(motion, max_step):
    step = play(motion, max_step=max_step).diff(dim=1).abs()
    assert step.max() == max_step


@pytest.mark.parametrize("motion", MOTIONS.values())
def test_the_synchronous_set_keeps_its_shape(motion):
    position = play(motion)
    apart = position - position[:, :, :1]
    assert (apart.diff(dim=1)[:, :, SYNC] == 0).all()
    assert (apart.diff(dim=1)[:, :, ~SYNC] != 0).float().mean() > 0.5


@pytest.mark.parametrize("motion", MOTIONS.values())
def test_nothing_is_shared_when_nothing_is_synchronous(motion):
    step = play(motion, sync=torch.zeros(5, dtype=torch.bool)).diff(dim=1)
    same = (step[:, :, :1] == step[:, :, 1:]).all(-1).all(1)
    assert same.float().mean() < 0.01


@pytest.mark.parametrize("motion", MOTIONS.values())
@pytest.mark.parametrize("num_frames", [1, 2])
def test_the_shortest_clips_and_the_tightest_canvas(motion, num_frames):
    position = play(motion, num_frames=num_frames, room=0)
    assert position.shape == (CLIPS, num_frames, 5, 2)
    assert (position == 0).all()


@pytest.mark.parametrize("motion", MOTIONS.values())
def test_more_frames_continue_the_same_start(motion):
    assert torch.equal(play(motion, num_frames=6)[:, 0], play(motion, num_frames=9)[:, 0])


def test_jumps_in_the_open_are_uniform():
    position = play(jumps, num_frames=20, room=60)
    free = ((position[:, :-1] >= STEP) & (position[:, :-1] <= 60 - STEP))[:, :, ~SYNC]
    count = (position.diff(dim=1)[:, :, ~SYNC][free] + STEP).bincount(minlength=2 * STEP + 1)
    assert len(count) == 2 * STEP + 1
    assert (count / count.sum() - 1 / 11).abs().max() < 0.01


def test_smooth_digits_never_crawl_and_fly_straight_between_bounces():
    alone = torch.zeros(5, dtype=torch.bool)
    position = play(smooth, alone, num_frames=5, room=500, max_step=8).double()
    middle = ((position > 40) & (position < 460)).all(1).all(-1)  # [clips, digits], far from the border
    way = (position[:, -1] - position[:, 0])[middle].norm(dim=-1) / 4
    assert way.min() > 3.5
    assert way.max() < 8.5
    bend = position.diff(dim=1).diff(dim=1).abs().amax(dim=(1, 3))[middle]
    assert bend.max() <= 1  # rounding only
