import pytest
import torch
from torch import Generator

from pyg_video.datasets import VideoClip
from pyg_video.transforms import HorizontalFlip

CLIP = VideoClip(torch.rand(4, 3, 6, 8), torch.tensor(0), torch.tensor(7), torch.rand(4, 2, 4))


def test_a_flip_mirrors_frames_boxes_and_label():
    flipped = HorizontalFlip((2, 1, 0), p=1.0)(CLIP)
    assert torch.equal(flipped.video, CLIP.video.flip(-1))
    assert torch.equal(flipped.box[..., 0], 1 - CLIP.box[..., 0])
    assert torch.equal(flipped.box[..., 1:], CLIP.box[..., 1:])
    assert (flipped.label.item(), flipped.number.item()) == (2, 7)


def test_two_flips_are_none():
    flip = HorizontalFlip((2, 1, 0), p=1.0)
    twice = flip(flip(CLIP))
    assert torch.equal(twice.video, CLIP.video)
    assert twice.label == CLIP.label


def test_labels_without_mirror_and_unknown_ones_stay():
    assert HorizontalFlip(p=1.0)(CLIP).label == 0
    assert HorizontalFlip((1, 0), p=1.0)(CLIP._replace(label=torch.tensor(-1))).label == -1


def test_the_probability_and_the_generator_decide():
    flips = [HorizontalFlip((1, 0), 0.25)(CLIP, Generator().manual_seed(seed)).label.item() for seed in range(400)]
    assert 70 < sum(flips) < 130
    assert HorizontalFlip(p=0.0)(CLIP) is CLIP
    with pytest.raises(ValueError, match="'p' to be a probability"):
        HorizontalFlip(p=1.5)
