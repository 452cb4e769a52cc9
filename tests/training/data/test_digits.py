from types import SimpleNamespace

import pytest
import torch

from pyg_video.training import MultiSyncMNISTData


def test_loaders_give_whole_batches(tiny_data):
    data = tiny_data()
    batch = next(iter(data.train_dataloader()))
    assert batch.video.shape == (4, 3, 1, 16, 16)
    assert torch.equal(batch.video, data.train.batch(range(4)).video)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_workers_change_nothing(tiny_data, num_workers):
    data = tiny_data(num_workers=num_workers)
    labels = torch.cat([batch.label for batch in data.test_dataloader()])
    assert torch.equal(labels, data.test.batch(range(6)).label)


def test_no_clip_is_left_out_of_the_test_with_several_processes(tiny_data):
    data, labels = tiny_data(num_test=7), {}
    for rank in (0, 1):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        labels[rank] = torch.cat([batch.label for batch in data.test_dataloader()])
    want = data.test.batch(range(7)).label
    assert torch.equal(labels[0], want[::2])
    assert torch.equal(labels[1], want[1::2])


def test_validation_has_trajectories_of_its_own(tiny_data):
    train, val = (clips.batch(range(4)).box for clips in (tiny_data().train, tiny_data().val))
    assert not torch.equal(train, val)


def test_the_seed_changes_the_training_only(tiny_data):
    one, two = tiny_data(seed=1), tiny_data(seed=2)
    assert not torch.equal(one.train.batch(range(4)).box, two.train.batch(range(4)).box)
    for split in ("val", "test"):
        assert torch.equal(getattr(one, split).batch(range(4)).box, getattr(two, split).batch(range(4)).box)


def test_seeds_of_the_validation_are_refused(tiny_data):
    with pytest.raises(ValueError, match="'seed' of at least 0"):
        tiny_data(seed=-1)


def test_the_data_know_their_classes(tiny_data):
    data = tiny_data()
    assert data.num_classes == len(data.label_names) == 6
    assert data.frame_size == 16


def test_multi_sync_mnist():
    data = MultiSyncMNISTData(
        canvas_size=32, frame_size=16, digit_size=6, num_frames=2, batch_size=2, num_val=2, num_test=2
    )
    assert data.num_classes == 56
    assert next(iter(data.val_dataloader())).digit.shape == (2, 5)


def test_only_training_has_a_curriculum(tiny_data):
    plain, eased = tiny_data(max_step=2), tiny_data(max_step=2, curriculum=(9, 1000))
    for split in ("val", "test"):
        clips = [getattr(data, split).batch(range(4)).box for data in (plain, eased)]
        assert torch.equal(*clips)
    assert not torch.equal(plain.train.batch(range(4)).box, eased.train.batch(range(4)).box)
