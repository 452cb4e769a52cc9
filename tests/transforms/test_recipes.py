import torch
from torch import Generator

from pyg_video.datasets import VideoClip
from pyg_video.transforms import centre_recipe, three_crop_recipe, train_recipe


def clip(*lead):
    video = torch.randint(0, 255, (*lead, 2, 3, 48, 86), dtype=torch.uint8)
    return VideoClip(video, torch.tensor(1), torch.tensor(0), torch.rand(*lead, 2, 3, 4) / 2 + 0.25)


def test_the_training_recipe():
    recipe = train_recipe(28, mirrored=(1, 0))
    assert repr(recipe).startswith("Compose(ShortSide(32), MultiScaleCrop(28")
    raw = clip()
    one, two, other = (recipe(raw, Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert one.video.shape == (2, 3, 28, 28)
    assert one.video.dtype == torch.float32
    assert torch.equal(one.video, two.video)
    assert not torch.equal(one.video, other.video)


def test_the_published_sizes():
    assert "ShortSide(256), MultiScaleCrop(224" in repr(train_recipe())
    assert "ShortSide(256), CentreCrop(224)" in repr(centre_recipe())
    assert "ShortSide(256), ThreeCrops(256)" in repr(three_crop_recipe())


def test_one_view_and_six():
    assert centre_recipe(28)(clip()).video.shape == (2, 3, 28, 28)
    views = three_crop_recipe(32)(clip(2))
    assert views.video.shape == (6, 2, 3, 32, 32)
    assert views.box.shape == (6, 2, 3, 4)
