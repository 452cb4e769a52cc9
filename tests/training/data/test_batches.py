import pytest

from pyg_video.training import FreshBatches, SequentialBatches, ShuffledBatches


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("kind", [ShuffledBatches, FreshBatches])
def test_processes_share_the_clips_of_an_epoch_without_overlap(kind, world_size):
    parts = [kind(13, 4, rank=rank, world_size=world_size) for rank in range(world_size)]
    keys = [key for part in parts for batch in part for key in batch]
    assert len(set(keys)) == len(keys) == 13 - 13 % world_size
    assert set(keys) <= ({(0, number) for number in range(13)} if kind is ShuffledBatches else set(range(13)))
    assert len({len(list(part)) for part in parts}) == 1
    assert all(len(part) == len(list(part)) for part in parts)
    if kind is FreshBatches:
        assert sorted(keys) == list(range(13 - 13 % world_size))


def test_no_epoch_repeats_a_fresh_clip():
    batches = FreshBatches(10, 4)
    seen = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        seen += [number for batch in batches for number in batch]
    assert seen == list(range(30))


def test_every_epoch_has_an_order_of_its_own_which_the_seed_decides():
    def order(epoch, seed=0):
        batches = ShuffledBatches(20, 20, seed=seed)
        batches.set_epoch(epoch)
        (batch,) = batches
        assert {e for e, _ in batch} == {epoch}
        return [number for _, number in batch]

    assert sorted(order(0)) == list(range(20))
    assert order(3) == order(3)
    assert order(3) != order(4)
    assert order(3) != order(3, seed=1)


@pytest.mark.parametrize("size", range(4, 30))
@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_evaluation_has_every_video_once_and_as_many_batches_everywhere(size, world_size, batch_size):
    if size // world_size < 2:
        return
    parts = [list(SequentialBatches(size, batch_size, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert sorted(number for part in parts for batch in part for number in batch) == list(range(size))
    assert len({len(part) for part in parts}) == 1
    assert all(0 < len(batch) <= batch_size for part in parts for batch in part)
    for rank, part in enumerate(parts):
        assert [number for batch in part for number in batch] == list(range(rank, size, world_size))
        assert len(part) == len(SequentialBatches(size, batch_size, rank=rank, world_size=world_size))


@pytest.mark.parametrize(("size", "batch_size", "world_size"), [(3, 1, 2), (1, 4, 2), (0, 4, 1)])
def test_shares_that_would_leave_a_process_waiting_are_refused(size, batch_size, world_size):
    with pytest.raises(ValueError, match="Expected a clip for each of"):
        SequentialBatches(size, batch_size, world_size=world_size)


def test_empty_batches_are_refused():
    for options in ({"size": 1, "batch_size": 4, "world_size": 2}, {"size": 4, "batch_size": 0}):
        for kind in (ShuffledBatches, FreshBatches):
            with pytest.raises(ValueError, match="at least one clip for each"):
                kind(**options)
    with pytest.raises(ValueError, match="'batch_size' of at least 1"):
        SequentialBatches(4, 0)
