import pytest
import torch

from pyg_video.datasets.counter_random import Stream, below, clip_key, uniform


def numbers(index: torch.Tensor, seed: int = 0, salt: int = 0, stream: Stream = Stream.START) -> torch.Tensor:
    return uniform(clip_key(seed, index, salt=salt), stream, 2, 3)


def test_a_clip_draws_the_same_numbers_in_any_batch():
    batch = numbers(torch.arange(10))
    assert torch.equal(batch[[7, 2]], numbers(torch.tensor([7, 2])))


def test_fewer_numbers_are_the_first_of_more():
    key = clip_key(0, torch.arange(4))
    assert torch.equal(uniform(key, Stream.START, 3), uniform(key, Stream.START, 5)[:, :3])


def test_the_hash_is_that_of_splitmix64():
    # the first outputs of the published generator from state 0; a clip's numbers start one increment earlier
    from pyg_video.datasets.counter_random import _GOLDEN, _mix

    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [x % 2**64 for x in _mix(torch.arange(1, 4) * _GOLDEN).tolist()] == expected


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"seed": 2**64 + 5}, {"seed": -1}, {"salt": 1}, {"stream": Stream.IMAGES}]
)
def test_seeds_splits_and_streams_share_nothing(other):
    index = torch.arange(1000)
    mine, theirs = numbers(index).flatten(), numbers(index, **other).flatten()
    assert not torch.isin(mine, theirs).any()
    assert torch.corrcoef(torch.stack([mine, theirs]))[0, 1].abs() < 0.05


def test_numbers_are_uniform_and_neighbouring_clips_independent():
    u = uniform(clip_key(3, torch.arange(20_000)), Stream.START, 2)
    assert u.min() >= 0
    assert u.max() < 1
    share = torch.histc(u.float(), bins=20, min=0, max=1) / u.numel()
    assert (share - 0.05).abs().max() < 0.005
    lagged = torch.stack([u[:-1, 0], u[1:, 0], u[:-1, 1]])
    assert (torch.corrcoef(lagged) - torch.eye(3)).abs().max() < 0.03


def test_every_integer_below_the_bound_is_equally_likely():
    drawn = below(clip_key(0, torch.arange(6000)), Stream.IMAGES, 6)
    count = drawn.bincount()
    assert len(count) == 6
    assert (count - 1000).abs().max() < 150
