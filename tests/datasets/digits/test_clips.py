from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pyg_video.datasets import EndlessSampler, SyncMNIST
from pyg_video.datasets.digits.images import INK

SMALL = {"canvas_size": 40, "frame_size": 40, "digit_size": 14, "num_frames": 4, "max_step": 4}


@pytest.fixture(scope="module")
def endless():
    return SyncMNIST(3, **SMALL)


def equal(one, other):
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_a_clip_is_the_same_alone_and_in_any_batch(endless):
    batch = endless.batch([9, 4, 7])
    for place, index in enumerate([9, 4, 7]):
        assert equal(endless[index], [field[place] for field in batch])


def test_a_clip_is_the_same_whatever_the_workers(endless):
    def first(**options):
        return next(iter(DataLoader(endless, sampler=EndlessSampler(start=2), **options)))

    alone = first(batch_size=6)
    assert equal(alone, endless.batch(range(2, 8)))
    assert equal(alone, first(batch_size=6, num_workers=1, multiprocessing_context="fork"))


@pytest.mark.gpu
@pytest.mark.parametrize("motion", ["jumps", "smooth"])
def test_a_clip_is_the_same_on_cuda(motion):
    clips = SyncMNIST(3, **SMALL, motion=motion)
    on_cuda = clips.batch(range(32), device="cuda")
    assert on_cuda.video.is_cuda
    assert equal(clips.batch(range(32)), [field.cpu() for field in on_cuda])


def test_shapes_and_ranges(endless):
    video, label, box, digit, sync = endless[0]
    assert video.shape == (4, 1, 40, 40)
    assert video.dtype == torch.float32
    assert video.min() >= 0
    assert 0.5 < video.max() <= 1
    assert label.shape == ()
    assert label.dtype == torch.int64
    assert box.shape == (4, 3, 4)
    assert digit.shape == sync.shape == (3,)


def test_boxes_hold_all_the_ink_and_touch_it_on_every_side():
    clips = SyncMNIST(2, **SMALL | {"num_frames": 1}).batch(range(200))
    ink = clips.video[:, 0, 0] * 255 > INK - 0.5
    corner = torch.cat(
        [clips.box[:, 0, :, :2] - clips.box[:, 0, :, 2:] / 2, clips.box[:, 0, :, :2] + clips.box[:, 0, :, 2:] / 2], -1
    )
    left, top, right, bottom = (corner * 40).round().long().unbind(-1)  # [B, 2] each
    assert torch.equal(ink.any(1).byte().argmax(1), left.amin(1))
    assert torch.equal(ink.any(2).byte().argmax(1), top.amin(1))
    assert torch.equal(40 - ink.any(1).flip(1).byte().argmax(1), right.amax(1))
    assert torch.equal(40 - ink.any(2).flip(1).byte().argmax(1), bottom.amax(1))


def test_a_sized_set_ends():
    clips = SyncMNIST(3, **SMALL, num_clips=3)
    assert len(clips) == 3
    assert len(list(clips)) == 3


def test_an_endless_set_says_how_to_walk_through_it(endless):
    with pytest.raises(TypeError, match=r"no length; pass num_clips=.*EndlessSampler"):
        len(endless)


@pytest.mark.parametrize("index", [-1, 3])
def test_clip_numbers_outside_are_refused(index):
    with pytest.raises(IndexError, match=rf"from 0 to 2 \(got {index}\)"):
        SyncMNIST(3, **SMALL, num_clips=3)[index]


def test_the_batch_takes_a_list_of_numbers(endless):
    with pytest.raises(ValueError, match=r"'indices' to be a list of clip numbers \(got shape \[\]\)"):
        endless.batch(torch.tensor(3))


@pytest.mark.parametrize("indices", [[1.7], torch.tensor([1.0]), [True, False], slice(0, 3), "12", [None]])
def test_clip_numbers_are_integers(endless, indices):
    with pytest.raises(TypeError, match=r"'indices' to be integers \(got .*\); pass clip numbers"):
        endless.batch(indices)


@pytest.mark.parametrize("index", [slice(0, 3), 1.7, [0, 1]])
def test_one_clip_has_one_number(endless, index):
    with pytest.raises(TypeError, match=r"a clip's number \(got .*\); for several clips at once call 'batch'"):
        endless[index]


@pytest.mark.parametrize("kind", [list, torch.tensor, torch.IntTensor, np.array, np.uint16])
def test_clip_numbers_come_in_any_type_of_integers(endless, kind):
    assert equal(endless.batch(kind([9, 4])), endless.batch([9, 4]))
    assert equal(endless[kind([9, 4])[1]], endless[4])


@pytest.mark.parametrize("bad", [{"num_clips": 0}, {"frame_size": 0}])
def test_empty_sets_and_frames_are_refused(bad):
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}' to be at least 1"):
        SyncMNIST(3, **SMALL | bad)


def test_samplers_of_several_processes_share_the_clips_out():
    seen = [list(islice(EndlessSampler(start=rank, step=3), 4)) for rank in range(3)]
    assert sorted(index for process in seen for index in process) == list(range(12))


def test_a_sampler_walks_forward():
    with pytest.raises(ValueError, match="'step' of at least 1"):
        EndlessSampler(step=0)
