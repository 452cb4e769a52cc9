import pytest
import torch

from pyg_video.metrics import RegionCoverage


def clip(*boxes):
    return torch.tensor(boxes).view(1, 1, -1, 4)


LEFT, RIGHT, TOP = (0.25, 0.5, 0.5, 1.0), (0.75, 0.5, 0.5, 1.0), (0.5, 0.25, 1.0, 0.5)
WHOLE, CORNER = (0.5, 0.5, 1.0, 1.0), (0.125, 0.125, 0.25, 0.25)


@pytest.mark.parametrize(
    ("regions", "objects", "area", "center"),
    [
        ([LEFT], [WHOLE], 0.5, 1.0),  # a centre on the border counts
        ([CORNER], [WHOLE], 0.0625, 0.0),
        ([LEFT, LEFT], [WHOLE], 0.5, 1.0),
        ([LEFT, TOP], [WHOLE], 0.75, 1.0),  # the union counts once what both cover
        ([LEFT, RIGHT], [WHOLE], 1.0, 1.0),
        ([LEFT], [WHOLE, CORNER], 0.75, 1.0),
        ([RIGHT], [CORNER], 0.0, 0.0),
    ],
)
def test_small_cases(regions, objects, area, center, score):
    assert score(RegionCoverage(), clip(*regions), clip(*objects)) == pytest.approx(area)
    assert score(RegionCoverage("center"), clip(*regions), clip(*objects)) == center


def test_the_covered_area_is_that_of_pixels(boxes, score):
    regions, objects = boxes(4, B=1, T=2) * 0.6, 0.2 + 0.5 * boxes(3, B=1, T=2, seed=1)
    x = (torch.arange(400) + 0.5) / 400

    def inside(box):  # [T, number, y, x]
        low, high = box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2
        across, along = ((low[..., i, None] <= x) & (x <= high[..., i, None]) for i in (0, 1))
        return along[..., None] & across[..., None, :]

    drawn = inside(objects[0])
    covered = (drawn & inside(regions[0]).any(1, keepdim=True)).sum((-2, -1)) / drawn.sum((-2, -1))
    assert 0.1 < covered.mean() < 0.9
    assert score(RegionCoverage(), regions, objects) == pytest.approx(float(covered.mean()), abs=5e-3)


def test_objects_without_area_are_left_out(score):
    assert score(RegionCoverage(), clip(LEFT), clip(WHOLE, (0.1, 0.1, 0.0, 0.2))) == 0.5
