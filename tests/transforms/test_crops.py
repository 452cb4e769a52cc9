import pytest
import torch
from torch import Generator

from pyg_video.datasets import VideoClip
from pyg_video.transforms import CentreCrop, MultiScaleCrop, ShortSide, ThreeCrops


def blank(height, width, *lead):
    video = torch.zeros(*lead, 2, 3, height, width, dtype=torch.uint8)
    return VideoClip(video, torch.tensor(0), torch.tensor(0), torch.full((*lead, 2, 1, 4), torch.nan))


@pytest.mark.parametrize(("frame", "size"), [((240, 427), (256, 455)), ((427, 240), (455, 256)), ((9, 9), (256, 256))])
def test_the_shorter_side_gets_its_length(frame, size):
    assert ShortSide(256)(blank(*frame)).video.shape[-2:] == size


def test_frames_of_the_right_size_are_left_alone():
    clip = blank(32, 40)
    assert ShortSide(32)(clip).video is clip.video


def test_the_sizes_of_the_multi_scale_crop():
    # Scales 1, .875, .75, .66 of 256; 224 as it is, and at most one step between height and width.
    sizes = MultiScaleCrop(224).sizes(256)
    sides = [256, 224, 192, 168]
    assert sizes == [(sides[i], sides[j]) for i in range(4) for j in range(4) if abs(i - j) <= 1]
    assert MultiScaleCrop(224, max_distort=0).sizes(256) == [(side, side) for side in sides]
    assert (224, 224) in MultiScaleCrop(224, (1, 0.88)).sizes(256)  # 225 counts as 224
    assert MultiScaleCrop(224, (1,)).sizes(223) == [(223, 223)]


def reached(crop, height, width):
    """Every top and left corner that occurs, for crops of half the side."""
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([rows, cols, rows]).expand(2, 3, height, width).to(torch.uint8)
    clip = blank(height, width)._replace(video=place)
    generator = Generator().manual_seed(0)
    return {tuple(crop(clip, generator).video[0, :2, 0, 0].tolist()) for _ in range(400)}


def test_fixed_crops_lie_at_thirteen_places():
    quarters = {(0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3)}
    assert reached(MultiScaleCrop(16, (0.5,)), 32, 64) == {(4 * i, 12 * j) for i, j in quarters}


def test_free_crops_lie_anywhere():
    assert reached(MultiScaleCrop(4, (0.5,), fix_crop=False), 8, 8) == {(i, j) for i in range(5) for j in range(5)}


def test_all_frames_have_the_same_crop_and_the_generator_decides_it():
    clip = blank(48, 64)._replace(video=torch.randint(0, 255, (1, 3, 48, 64), dtype=torch.uint8).expand(2, -1, -1, -1))
    first, second = (MultiScaleCrop(24)(clip, Generator().manual_seed(5)).video for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first, MultiScaleCrop(24)(clip, Generator().manual_seed(6)).video)


def test_centre_crop():
    video = torch.arange(7 * 10, dtype=torch.uint8).view(1, 1, 7, 10).expand(2, 3, 7, 10)
    assert CentreCrop(3)(blank(7, 10)._replace(video=video)).video[0, 0].tolist() == video[0, 0, 2:5, 4:7].tolist()
    with pytest.raises(ValueError, match=r"a crop inside frames of 7 x 10 .got 8 x 8"):
        CentreCrop(8)(blank(7, 10))


@pytest.mark.parametrize("frame", [(8, 20), (20, 8)])
def test_three_crops_along_the_longer_side(frame):
    side = torch.arange(20, dtype=torch.uint8)
    video = side.expand(8, 20) if frame[1] == 20 else side[:, None].expand(20, 8)
    views = ThreeCrops(8)(blank(*frame)._replace(video=video.expand(2, 3, *frame))).video
    assert views.shape == (3, 2, 3, 8, 8)
    assert views[:, 0, 0].amin((1, 2)).tolist() == [0, 12, 6]


def test_three_crops_of_several_clips_stay_together():
    video = torch.tensor([5, 9], dtype=torch.uint8).view(2, 1, 1, 1, 1).expand(2, 2, 3, 8, 20)
    clip = blank(8, 20, 2)._replace(video=video)
    views = ThreeCrops(8)(clip)
    assert views.video[:, 0, 0, 0, 0].tolist() == [5, 5, 5, 9, 9, 9]
    assert views.box.shape == (6, 2, 1, 4)


@pytest.mark.parametrize("step", [ShortSide, CentreCrop, MultiScaleCrop, ThreeCrops])
def test_empty_sizes_are_refused(step):
    with pytest.raises(ValueError, match="'size' of at least 1 pixel"):
        step(0)


@pytest.mark.parametrize("scales", [(), (0.5, 1.5), (0,)])
def test_impossible_scales_are_refused(scales):
    with pytest.raises(ValueError, match="'scales' above 0"):
        MultiScaleCrop(8, scales)
