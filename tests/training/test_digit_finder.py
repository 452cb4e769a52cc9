import pytest
import torch
from torch.nn import functional as F

from pyg_video.backbones import SmallCNN
from pyg_video.datasets import SyncMNIST, digit_maps
from pyg_video.training import DigitFinder, fit_stills

TASK = {"classes": (0, 1), "num_digits": 2, "canvas_size": 24, "frame_size": 24, "digit_size": 12}


@pytest.fixture
def finder():
    return DigitFinder(SmallCNN(1, (8, 16, 16), (2, 2, 1)), num_classes=2)


def test_the_loss_is_least_at_the_perfect_maps(finder):
    clips = SyncMNIST(num_frames=2, **TASK).batch(range(2))
    perfect = digit_maps(clips, (0, 1), (6, 6))
    torch.testing.assert_close(
        finder.loss(clips, (0, 1)), F.binary_cross_entropy_with_logits(finder(clips.video), perfect)
    )


def test_a_perfect_finder_is_off_by_less_than_a_pixel(finder, monkeypatch):
    clips = SyncMNIST(num_frames=2, **TASK).batch(range(4))
    monkeypatch.setattr(finder, "forward", lambda _: digit_maps(clips, (1, 0), (6, 6)))
    assert finder.distance(clips, (1, 0)).shape == (4, 2, 2)
    assert finder.distance(clips, (1, 0)).max() <= 2**-0.5 / 6 + 1e-6
    assert finder.distance(clips, (0, 1)).mean() > 0.2  # with the classes confused


def test_stills_teach_where_which_digit_is(finder):
    stills = SyncMNIST(num_frames=1, **TASK)
    unseen = SyncMNIST(split="test", num_frames=1, **TASK).batch(range(100))
    before = finder.distance(unseen, stills.classes).mean()
    reports = list(fit_stills(finder, stills, num_frames=2560, batch_size=32, lr=0.01, every=640))
    assert [seen for seen, _ in reports] == [640, 1280, 1920, 2560]
    assert reports[-1][1] < reports[0][1]
    assert not finder.training
    assert finder.distance(unseen, stills.classes).mean() < 0.7 * before


def test_less_than_a_batch_of_frames_is_refused(finder):
    with pytest.raises(ValueError, match="Expected 'num_frames' of at least a batch of 64"):
        next(fit_stills(finder, SyncMNIST(**TASK), num_frames=3, every=1))
