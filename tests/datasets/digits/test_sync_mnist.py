import io

import numpy as np
import pytest
import torch

from pyg_video.datasets import SyncMNIST, load_digits

SMALL = {"canvas_size": 40, "frame_size": 40, "digit_size": 14, "num_frames": 4, "max_step": 4}
FIVE = {**SMALL, "classes": (0, 1, 2, 3, 4), "motion": "smooth", "random_probability": 0}


def test_the_papers_clips():
    clips = SyncMNIST(5)
    assert clips.num_classes == len(clips.label_names) == 46
    assert clips[0].video.shape == (10, 1, 64, 64)


@pytest.mark.parametrize("options", [SMALL, FIVE])
def test_the_label_names_the_pair_that_moves_together(options):
    dataset = SyncMNIST(3, **options)
    clips = dataset.batch(range(50))
    for label, digit, sync in zip(clips.label, clips.digit, clips.sync, strict=True):
        pair = " and ".join(str(k) for k in digit[sync].sort().values.tolist())
        assert dataset.label_names[label] == (f"{pair} move together" if pair else "nothing moves together")


def test_the_digits_of_a_clip_differ():
    digit = SyncMNIST(5, **SMALL).batch(range(100)).digit
    assert (digit.sort(1).values.diff(dim=1) > 0).all()


def test_five_classes_without_random_clips_have_ten_answers():
    dataset = SyncMNIST(3, **FIVE)
    clips = dataset.batch(range(2000))
    assert dataset.num_classes == 10
    assert (clips.label.bincount(minlength=10) / 2000 - 0.1).abs().max() < 0.04
    assert (clips.sync.sum(1) == 2).all()
    assert clips.digit.max() == 4


def test_the_boxes_of_the_pair_move_alike():
    clips = SyncMNIST(3, **FIVE).batch(range(50))
    step = clips.box[..., :2].diff(dim=1)  # [B, T - 1, D, 2]
    pair = step.transpose(1, 2)[clips.sync].view(50, 2, 3, 2)
    torch.testing.assert_close(pair[:, 0], pair[:, 1])


def test_which_digit_lies_in_front_does_not_tell_the_pair():
    share = SyncMNIST(3, **FIVE).batch(range(2000)).sync.float().mean(0)
    assert (share - 2 / 3).abs().max() < 0.05


def test_the_splits_share_no_trajectory():
    train, test = (SyncMNIST(3, split=split, **SMALL).batch(range(20)) for split in ("train", "test"))
    assert ((train.box[:, 0, :, :2] - test.box[:, 0, :, :2]).abs().amax(dim=(1, 2)) > 0.01).all()


def test_more_digits_than_classes_are_refused():
    with pytest.raises(
        ValueError, match=r"'num_digits' to be at most the number of classes, 3, .*got 4\); add 'classes'"
    ):
        SyncMNIST(4, classes=(1, 2, 3))


@pytest.mark.parametrize("seed", [1.5, "1", None])
def test_seeds_are_integers(seed):
    with pytest.raises(TypeError, match=rf"'seed' to be an integer \(got {seed!r}\)"):
        SyncMNIST(3, seed=seed)


def test_numpy_seeds_are_integers_too():
    mine, theirs = (SyncMNIST(3, seed=seed, **SMALL)[0] for seed in (5, np.int64(5)))
    assert torch.equal(mine.video, theirs.video)


def test_unknown_splits_are_refused():
    with pytest.raises(ValueError, match="'split' to be one of"):
        SyncMNIST(3, split="valid")


def given(first: int, second: int) -> dict[str, np.ndarray]:
    target = load_digits("bundled", "test").target
    image = [int((target == digit).nonzero()[0]) for digit in (first, second, 0)]
    path = np.array([[[0, 0], [30, 60], [9, 9]], [[5, 3], [35, 63], [2, 2]]], dtype=np.uint8)
    return {
        "coords": path[None].repeat(2, axis=0),
        "digit_index": np.array([image, image], dtype=np.uint32),
        "is_sync": np.array([True, False]),
        "digit_in_front": np.array([True, True]),
    }


def test_given_trajectories_are_played():
    dataset = SyncMNIST.from_trajectories(given(8, 2))
    clips = dataset.batch([0, 1])
    assert isinstance(dataset, SyncMNIST)
    assert len(dataset) == 2
    assert clips.video.shape == (2, 2, 1, 64, 64)
    assert clips.digit.tolist() == [[8, 2, 0]] * 2
    assert [dataset.label_names[k] for k in clips.label] == ["2 and 8 move together", "nothing moves together"]
    torch.testing.assert_close(clips.box[0, :, 0, :2].diff(dim=0), torch.tensor([[0.03, 0.05]]))  # x, y


def npy() -> bytes:
    np.save(file := io.BytesIO(), np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:200]),
        lambda file: file.write_text("row, column"),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(npy()),
    ],
    ids=["truncated", "text", "empty", "npy"],
)
def test_other_kinds_of_files_are_refused(spoil, tmp_path):
    np.savez(tmp_path / "given.npz", **given(8, 2))
    spoil(tmp_path / "given.npz")
    with pytest.raises(ValueError, match=r"^Expected trajectories in an .npz file .*given.npz.*numpy.savez[^.]*$"):
        SyncMNIST.from_trajectories(tmp_path / "given.npz")


def test_a_pair_of_equal_digits_has_no_label(tmp_path):
    with pytest.raises(ValueError, match=r"pair digits of different classes .*two images of a 8 in clip 0"):
        SyncMNIST.from_trajectories(given(8, 8))
    np.savez(tmp_path / "given.npz", **given(8, 8))
    with pytest.raises(ValueError, match=r"given.npz: Expected 'digit_index' to pair digits of different classes"):
        SyncMNIST.from_trajectories(tmp_path / "given.npz")


@pytest.fixture(scope="module")
def published(authors_trajectories, mnist):
    return SyncMNIST.from_trajectories(authors_trajectories, digits=mnist)


def test_the_published_split_is_9877_of_10000_synchronous(published):
    assert len(published) == 10_000
    assert published.planner.is_sync.sum() == 9877


def test_the_published_pairs_jump_exactly_alike(published):
    step = published.planner.position.long().diff(dim=1)[published.planner.is_sync]
    assert torch.equal(step[:, :, 0], step[:, :, 1])
    assert step.abs().max() == 10


def test_every_published_label_names_the_first_two_digits(published):
    from pyg_video.datasets.digits.labels import sync_label

    plan = published.planner(torch.arange(10_000))
    digit = published.digits.target[plan.image]
    label = sync_label(digit, plan.sync, 10)
    low, high = digit[:, :2].sort(1).values.unbind(1)
    assert torch.equal(label, torch.where(plan.sync.any(1), high * (high - 1) // 2 + low, 45))
    assert torch.equal(label[:16], published.batch(range(16)).label)


@pytest.mark.parametrize("options", [{"num_frames": 10**12}, {"canvas_size": 2**31}, {"frame_size": 10**6}])
def test_clips_that_would_fill_the_memory_are_refused(options):
    with pytest.raises(ValueError, match=r"clips of at most .* pixels \(got .*; take a smaller"):
        SyncMNIST(**options)
