import pytest
import torch

from pyg_video.datasets import MultiSyncMNIST

SMALL = {"canvas_size": 40, "frame_size": 20, "digit_size": 14, "num_frames": 2}


@pytest.fixture(scope="module")
def clips():
    return MultiSyncMNIST(**SMALL).batch(range(1000))


def test_the_papers_size():
    dataset = MultiSyncMNIST()
    assert len(dataset) == 600_000
    assert dataset.num_classes == 56
    assert dataset[599_999].video.shape == (10, 1, 128, 128)


def test_the_label_is_the_smallest_and_the_largest_class_of_the_set(clips):
    names = MultiSyncMNIST(**SMALL).label_names
    for label, digit, sync in zip(clips.label[:100], clips.digit, clips.sync, strict=False):
        members = digit[sync].tolist()
        expected = f"{min(members)} and {max(members)} move together" if members else "nothing moves together"
        assert names[label] == expected


def test_fewer_classes_have_fewer_labels():
    clips = MultiSyncMNIST(**SMALL, classes=(2, 7, 9), random_probability=0.2)
    batch = clips.batch(range(500))
    assert clips.num_classes == 3 + 1 + 3
    assert batch.digit.unique().tolist() == [2, 7, 9]
    assert batch.label.unique().tolist() == list(range(7))
    assert clips.label_names[2] == "7 and 9 move together"


def test_any_number_of_digits_moves_together(clips):
    assert clips.sync.sum(1).unique().tolist() == [0, 2, 3, 4, 5]


def test_classes_repeat_also_within_the_set(clips):
    assert (clips.digit.sort(1).values.diff(dim=1) == 0).any(1).float().mean() > 0.5
    assert (clips.label > 45).any()


def test_the_whole_set_moves_alike(clips):
    step = clips.box[:, 1, :, :2] - clips.box[:, 0, :, :2]
    spread = step.masked_fill(~clips.sync[..., None], -1).amax(1) - step.masked_fill(~clips.sync[..., None], 1).amin(1)
    assert spread[clips.sync.any(1)].abs().max() < 1e-5


def test_the_frame_is_the_canvas_halved():
    full, half = (MultiSyncMNIST(**SMALL | {"frame_size": frame}).batch([0]) for frame in (40, 20))
    assert torch.equal(full.box, half.box)
    torch.testing.assert_close(full.video.mean(), half.video.mean(), rtol=0.05, atol=0)


def test_no_frames_are_refused():
    with pytest.raises(ValueError, match="'num_frames' to be at least 1"):
        MultiSyncMNIST(num_frames=0)
