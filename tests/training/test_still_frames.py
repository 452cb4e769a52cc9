import pytest

from pyg_video.backbones import SmallCNN
from pyg_video.datasets import SyncMNIST, digit_maps
from pyg_video.training import distance_to_digits, fit_stills

TASK = {"classes": (0, 1), "num_digits": 2, "canvas_size": 24, "frame_size": 24, "digit_size": 12}


@pytest.fixture
def net():
    return SmallCNN(1, (16, 32, 2), (2, 2, 1))


def test_perfect_maps_are_off_by_less_than_a_pixel():
    clips = SyncMNIST(num_frames=2, **TASK).batch(range(4))
    maps = digit_maps(clips, (0, 1), (6, 6))
    distance = distance_to_digits(maps, clips, (0, 1))
    assert distance.shape == (4, 2, 2)
    assert distance.max() <= 2**-0.5 / 6 + 1e-6
    assert distance_to_digits(maps.flip(2), clips, (0, 1)).mean() > 0.2  # with the classes confused


def test_the_loss_is_the_error_of_the_first_frames(net):
    clips = SyncMNIST(num_frames=2, **TASK)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    [(seen, loss)] = fit_stills(net, clips, num_frames=8, batch_size=8, every=8)
    net.load_state_dict(before)
    batch = clips.batch(range(8))
    error = (net.train()(batch.video[:, :1]) - digit_maps(batch, (0, 1), (6, 6))[:, :1]).square().mean()
    assert (seen, loss) == (8, pytest.approx(error.item(), rel=1e-5))


def test_stills_teach_where_which_digit_is(net):
    stills = SyncMNIST(num_frames=1, **TASK)
    unseen = SyncMNIST(split="test", num_frames=1, **TASK).batch(range(100))
    before = distance_to_digits(net(unseen.video), unseen, stills.classes).mean()
    reports = list(fit_stills(net, stills, num_frames=2560, batch_size=32, lr=0.01, every=640))
    assert [seen for seen, _ in reports] == [640, 1280, 1920, 2560]
    assert reports[-1][1] < reports[0][1]
    assert not net.training
    assert distance_to_digits(net(unseen.video), unseen, stills.classes).mean() < before / 2


def test_a_channel_per_class_and_a_batch_of_frames_are_needed(net):
    clips = SyncMNIST(**TASK)
    with pytest.raises(ValueError, match="Expected 'num_frames' of at least a batch of 64"):
        next(fit_stills(net, clips, num_frames=3, every=1))
    with pytest.raises(ValueError, match=r"Expected 'net' to end with 2 channels, one per digit class \(got 4\)"):
        next(fit_stills(SmallCNN(1, (4,), (2,)), clips, num_frames=64, every=1))
