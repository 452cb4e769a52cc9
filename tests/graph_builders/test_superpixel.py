import sys

import pytest
import torch

from pyg_video.functional import grid_boxes
from pyg_video.graph_builders import SuperpixelGraph
from pyg_video.graph_builders.superpixel import _num_seeds
from pyg_video.layers import RSTG, SpaceConv, TemporalRNN, ToVector


@pytest.fixture
def x():
    return torch.randn(2, 2, 4, 6, 8, dtype=torch.float64)


def test_a_flat_frame_falls_into_the_cells_of_the_grid():
    graph = SuperpixelGraph(3, 4)(torch.ones(1, 1, 3, 6, 6))
    torch.testing.assert_close(graph.box, grid_boxes(2, 2))


def test_superpixels_follow_the_picture():
    x = torch.zeros(1, 1, 3, 6, 8)
    x[..., :3] = 1.0  # the border is one pixel left of the grid's
    graph = SuperpixelGraph(3, 2, compactness=0.01)(x)
    assert graph.kernel[0].nonzero()[:, 1].unique().tolist() == [0, 1, 2]
    torch.testing.assert_close(graph.x, torch.tensor([[1.0] * 3, [0.0] * 3]))


def test_every_pixel_is_in_one_superpixel_and_nodes_are_means(x):
    graph = SuperpixelGraph(4, 6)(x)
    kernel = graph.grid(graph.kernel)
    torch.testing.assert_close(kernel.sum(2), torch.ones(2, 2, 6, 8, dtype=x.dtype))
    inside = kernel[1, 0, 3] > 0
    torch.testing.assert_close(graph.frames[1, 0, 3], x[1, 0][:, inside].mean(1))


@pytest.mark.parametrize("size", [(6, 8), (7, 6), (12, 9), (5, 14), (3, 3), (1, 4)])
@pytest.mark.parametrize("num_nodes", [4, 9, 14])
def test_there_are_never_more_superpixels_than_nodes(size, num_nodes):
    graph = SuperpixelGraph(4, num_nodes)(torch.randn(1, 1, 4, *size))
    assert 0 < int(graph.mask.sum()) <= num_nodes
    assert bool((graph.kernel.flatten(1).sum(1) > 0).eq(graph.mask).all())
    assert _num_seeds(num_nodes, size) <= num_nodes


def test_a_node_stays_with_its_seed_in_every_frame():
    graph = SuperpixelGraph(4, 9, compactness=0.1)(torch.randn(2, 3, 4, 12, 12))
    assert bool(graph.mask.all())
    away = graph.grid(graph.pos) - grid_boxes(3, 3)[:, :2]
    assert away.abs().max() < 1 / 3


def test_missing_superpixels_change_nothing(x):
    torch.manual_seed(0)
    processor = RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4)).double()
    many, few = SuperpixelGraph(4, 5)(x), SuperpixelGraph(4, 4)(x)
    assert many.mask.sum() == few.mask.sum() < 20
    torch.testing.assert_close(ToVector()(processor(many)), ToVector()(processor(few)))


def test_the_same_input_gives_the_same_superpixels(x):
    builder = SuperpixelGraph(4, 6)
    assert torch.equal(builder(x).kernel, builder(x.clone()).kernel)
    assert torch.equal(builder(10 * x + 3).kernel, builder(x).kernel)


def test_the_gradient_is_that_of_the_mean(x):
    x.requires_grad_()
    graph = SuperpixelGraph(4, 6)(x)
    graph.x.sum().backward()
    share = graph.kernel / graph.kernel.sum((-2, -1), keepdim=True).clamp(min=1)
    torch.testing.assert_close(x.grad, graph.grid(share).sum(2)[:, :, None].expand_as(x))


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r'has \'skimage\'.*pip install "\.\[superpixels\]"'):
        SuperpixelGraph(4, 6)


def test_wrong_input_is_a_clear_error(x):
    with pytest.raises(ValueError, match="Expected 'compactness' above 0"):
        SuperpixelGraph(4, 6, compactness=0.0)
    x[0, 0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="Expected finite 'x'"):
        SuperpixelGraph(4, 6)(x)
