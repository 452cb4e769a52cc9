"""Regions and objects for the tests of metrics."""

import pytest
import torch


@pytest.fixture
def boxes():
    """Draws random boxes [B, T, number, 4]."""

    def draw(num, *, B=2, T=3, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return 0.1 + 0.8 * torch.rand(B, T, num, 4, generator=generator)

    return draw


@pytest.fixture
def score():
    """What a metric says of some clips alone."""

    def run(metric, *args, **kwargs):
        metric.reset()
        metric.update(*args, **kwargs)
        return float(metric.compute())

    return run
