import pytest
import torch

from pyg_video.metrics import BestBoxIoU


def test_the_best_region_counts_and_the_others_do_not(score):
    regions = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0.9, 0.9, 0.1, 0.1]]).view(1, 1, 3, 4)
    objects = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]]).view(1, 1, 2, 4)
    assert score(BestBoxIoU(), regions, objects) == pytest.approx((1.0 + 0.5) / 2)


def test_an_empty_region_overlaps_nothing(score):
    empty = torch.tensor([0.5, 0.5, 0.0, 0.0]).view(1, 1, 1, 4)
    assert score(BestBoxIoU(), empty, empty) == 0
