import pytest
import torch

from pyg_video.models import create_model

TINY = {
    "num_classes": 4,
    "in_channels": 6,
    "frame_size": 4,
    "node_channels": 8,
    "region_channels": 8,
    "num_iterations": 1,
}


def test_it_scores_maps_and_all_of_it_learns():
    model = create_model("graph_on_features", **TINY)
    scores = model(torch.randn(2, 3, 6, 4, 4))
    assert scores.shape == (2, 4)
    scores.square().sum().backward()
    assert all(value.grad is not None for value in model.parameters())
    assert model.blocks["features"].project[0].weight.grad.abs().max() > 0


def test_without_its_scale_the_block_does_nothing():
    model, x = create_model("graph_on_features", **TINY, residual_scale=0.0).eval(), torch.randn(2, 3, 6, 4, 4)
    assert torch.equal(model(x), model.head(x))


def test_maps_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"Expected 'video' of shape \[B, T, 6, H, W\]"):
        create_model("graph_on_features", **TINY)(torch.randn(2, 3, 5, 4, 4))
