import torch

from pyg_video.datasets import VideoClip
from pyg_video.transforms import IMAGENET_MEAN, IMAGENET_STD, Normalize


def test_bytes_become_numbers_around_zero():
    video = torch.tensor(IMAGENET_MEAN).mul(255).round().byte().view(3, 1, 1).expand(2, 3, 4, 4)
    clip = Normalize()(VideoClip(video, torch.tensor(0), torch.tensor(0), torch.empty(2, 0, 4)))
    assert clip.video.dtype == torch.float32
    assert clip.video.abs().max() < 0.01


def test_the_published_constants():
    video = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(Normalize().video(video)[0, :, 0, 0], expected)
    assert Normalize().video(video.expand(2, 5, 3, 1, 1)).shape == (2, 5, 3, 1, 1)
