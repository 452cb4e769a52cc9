import pytest
import torch

from pyg_video.functional import grid_boxes
from pyg_video.metrics import RegionObjectDistance

REGIONS = torch.tensor([[0.0, 0.0, 0.1, 0.1], [0.0, 0.5, 0.1, 0.1], [1.0, 1.0, 0.1, 0.1]]).view(1, 1, 3, 4)
OBJECTS = torch.tensor([[0.3, 0.4, 0.9, 0.2], [0.0, 0.0, 0.1, 0.1]]).view(1, 1, 2, 4)


@pytest.mark.parametrize(
    ("match", "want"),
    [
        ("object", (0.1**0.5 + 0.0) / 2),  # to (0, 0.5): 0.3 and 0.1 away
        ("region", (0.0 + 0.1**0.5 + 0.85**0.5) / 3),
        ("both", (0.1**0.5 / 2 + (0.1**0.5 + 0.85**0.5) / 3) / 2),
    ],
)
def test_the_nearest_is_meant(match, want, score):
    assert score(RegionObjectDistance(match), REGIONS, OBJECTS) == pytest.approx(want)


def test_sizes_do_not_matter(score):
    other = torch.cat([REGIONS[..., :2], REGIONS[..., 2:] * 7], dim=-1)
    assert score(RegionObjectDistance(), other, OBJECTS) == score(RegionObjectDistance(), REGIONS, OBJECTS)


def test_every_object_counts_the_same_in_whatever_frame(score):
    objects = OBJECTS.expand(1, 2, 2, 4)
    mask = torch.tensor([[[True, True], [True, False]]])
    want = (2 * 0.1**0.5 + 0.0) / 3
    assert score(RegionObjectDistance(), REGIONS.expand(1, 2, 3, 4), objects, mask) == pytest.approx(want)


@pytest.mark.parametrize(("side", "want"), [(1, 0.3826), (3, 0.3826 / 3)])
def test_chance_of_a_grid(side, want, score):
    """An object anywhere: the mean distance from a square's centre to a point in it, the cell's side as unit."""
    x = (torch.arange(60) + 0.5) / 60
    objects = torch.cartesian_prod(x, x)
    objects = torch.cat([objects, torch.zeros_like(objects)], dim=-1)[None, None]
    assert score(RegionObjectDistance(), grid_boxes(side, side)[None, None], objects) == pytest.approx(want, abs=2e-4)


@pytest.mark.parametrize("match", ["object", "region", "both"])
def test_frames_without_objects_do_not_count(match):
    box, objects = torch.rand(1, 2, 3, 4), torch.rand(1, 2, 2, 4)
    mask = torch.tensor([[[True, True], [False, False]]])
    metric, alone = RegionObjectDistance(match=match), RegionObjectDistance(match=match)
    metric.update(box, objects, mask)
    alone.update(box[:, :1], objects[:, :1])
    torch.testing.assert_close(metric.compute(), alone.compute())
