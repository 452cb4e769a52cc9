import pytest
import torch

from pyg_video.functional import kernel_boxes
from pyg_video.graph_builders import SemanticGraph
from pyg_video.layers import ToMap


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 5, 7, dtype=torch.float64)


def test_every_node_is_the_attention_weighted_mean_of_all_pixels(x):
    builder = SemanticGraph(4, 3).double()
    graph = builder(x)
    w = builder.attention.weight[:, :, 0, 0]
    for node in range(3):
        pixels = x[1, 2].flatten(1)  # [C, H*W]
        attention = torch.exp(w[node] @ pixels)
        attention = attention / attention.sum()
        torch.testing.assert_close(graph.frames[1, 2, node], pixels @ attention)
        torch.testing.assert_close(graph.grid(graph.kernel)[1, 2, node].flatten(), attention)


def test_features_decide_and_places_do_not(x):
    builder = SemanticGraph(4, 3).double()
    order = torch.randperm(35)
    moved = x.flatten(3)[..., order].view_as(x)
    torch.testing.assert_close(builder(moved).x, builder(x).x)


def test_a_node_that_looks_at_one_channel_finds_its_pixel():
    builder = SemanticGraph(2, 2)
    with torch.no_grad():
        builder.attention.weight.copy_(50 * torch.eye(2)[:, :, None, None])
    x = torch.zeros(1, 1, 2, 4, 8)
    x[0, 0, 0, 1, 6] = x[0, 0, 1, 3, 0] = 1.0
    box = builder(x).box
    torch.testing.assert_close(box, torch.tensor([[6.5 / 8, 1.5 / 4, 1 / 8, 1 / 4], [0.5 / 8, 3.5 / 4, 1 / 8, 1 / 4]]))


def test_boxes_are_those_of_the_kernels(x):
    regions = SemanticGraph(4, 3).double().regions(x)
    torch.testing.assert_close(regions.box, kernel_boxes(regions.kernel))


def test_all_weights_learn_from_the_first_step(x):
    builder = SemanticGraph(4, 3).double()
    ToMap()(builder(x)).square().sum().backward()
    assert builder.attention.weight.grad.abs().amin() > 0


def test_reset_parameters_draws_anew():
    builder = SemanticGraph(4, 3)
    before = builder.attention.weight.clone()
    builder.reset_parameters()
    assert not torch.equal(builder.attention.weight, before)
