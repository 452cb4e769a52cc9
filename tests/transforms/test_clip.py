import pytest
import torch
from torch import Generator

from pyg_video.datasets import SyncMNIST, VideoClip
from pyg_video.transforms import CentreCrop, Compose, HorizontalFlip, MultiScaleCrop, ShortSide, ThreeCrops, crop


def drawn(box, height=96, width=128):
    """A black clip with white boxes, ``[T, N, 4]``."""
    video = torch.zeros(len(box), 3, height, width, dtype=torch.uint8)
    for frame, boxes in zip(video, box, strict=True):
        for x, y, w, h in boxes.tolist():
            rows = slice(round((y - h / 2) * height), round((y + h / 2) * height))
            frame[:, rows, round((x - w / 2) * width) : round((x + w / 2) * width)] = 255
    return VideoClip(video, torch.tensor(0), torch.tensor(0), box)


def found(video):
    """The box around the white pixels of every frame."""
    H, W = video.shape[-2:]
    boxes = []
    for frame in video[:, 0] > 127:
        y, x = frame.nonzero().T
        low, high = torch.tensor([x.min() / W, y.min() / H]), torch.tensor([(x.max() + 1) / W, (y.max() + 1) / H])
        boxes.append(torch.cat([(low + high) / 2, high - low]))
    return torch.stack(boxes)


MOVING = torch.tensor([[[0.375, 0.5, 0.25, 0.25]], [[0.5, 0.5, 0.25, 0.5]], [[0.5625, 0.375, 0.125, 0.25]]])


@pytest.mark.parametrize(
    "step",
    [
        ShortSide(64),
        CentreCrop(80),
        HorizontalFlip(p=1.0),
        MultiScaleCrop(56, (0.875, 0.75)),
        MultiScaleCrop(56, (0.875, 0.75), fix_crop=False),
        Compose(ShortSide(88), MultiScaleCrop(77, (0.875,)), HorizontalFlip()),
    ],
    ids=repr,
)
def test_a_box_that_is_drawn_is_found_again(step):
    for seed in range(20):
        clip = step(drawn(MOVING), Generator().manual_seed(seed))
        seen = ~clip.box[:, 0].isnan().any(-1)
        # The edge of a box is found to a pixel.
        assert torch.allclose(found(clip.video)[seen], clip.box[seen, 0], atol=1.01 / min(clip.video.shape[-2:]))


def test_a_box_is_found_again_in_every_view():
    clip = ThreeCrops(96)(drawn(MOVING))
    for video, box in zip(clip.video, clip.box, strict=True):
        assert torch.allclose(found(video), box[:, 0], atol=0.011)


def test_boxes_are_cut_at_the_border_and_nan_beyond_it():
    box = torch.tensor([[[0.25, 0.5, 0.5, 0.5], [0.75, 0.5, 0.25, 0.25], [torch.nan] * 4]])
    after = crop(drawn(box.nan_to_num(0.5)[:, :1])._replace(box=box), 0, 0, 96, 32).box[0]
    assert after[0].tolist() == [0.5, 0.5, 1.0, 0.5]
    assert after[1:].isnan().all()


def test_clips_without_boxes_pass():
    clip = drawn(torch.empty(3, 0, 4))
    for step in (ShortSide(50), CentreCrop(50), MultiScaleCrop(50), HorizontalFlip(p=1.0)):
        assert step(clip).box.shape == (3, 0, 4)


def test_clips_of_digits_have_the_same_transforms():
    clip = SyncMNIST(num_clips=1)[0]
    cut = CentreCrop(32)(clip)
    assert cut.video.shape == (10, 1, 32, 32)
    assert torch.equal(cut.video, clip.video[..., 16:48, 16:48])
    assert cut.digit is clip.digit
