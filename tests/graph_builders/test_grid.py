import pytest
import torch

from pyg_video.graph_builders import GridGraph


def test_nodes_are_the_means_of_their_cells():
    x = torch.randn(2, 3, 4, 6, 6)
    nodes = GridGraph(4)(x).frames
    want = [torch.nn.functional.avg_pool2d(x.flatten(0, 1), k).flatten(2).mT.view(2, 3, -1, 4) for k in (2, 3, 6)]
    torch.testing.assert_close(nodes, torch.cat(want, dim=2))


@pytest.mark.parametrize("size", [(14, 14), (7, 11)])
def test_each_scale_covers_every_pixel_once_also_across_borders(size):
    graph = GridGraph(4, scales=(3, (2, 4)))(torch.randn(1, 1, 4, *size))
    first, second = graph.kernel.split([9, 8])
    torch.testing.assert_close(first.sum(0), torch.ones(size))
    torch.testing.assert_close(second.sum(0), torch.ones(size))


def test_a_constant_map_gives_constant_nodes():
    nodes = GridGraph(4)(torch.ones(1, 1, 4, 14, 14)).x
    torch.testing.assert_close(nodes, torch.ones(14, 4))


def test_half_precision_parameters_do_not_blur_the_grid():
    graph = GridGraph(4).bfloat16()(torch.randn(1, 1, 4, 14, 14))
    torch.testing.assert_close(graph.kernel[:9].sum(0), torch.ones(14, 14))


def test_a_map_smaller_than_the_grid_is_a_clear_error():
    with pytest.raises(ValueError, match=r"Expected a map of at least the largest grid .* \(got 2 x 5\)"):
        GridGraph(4)(torch.zeros(1, 1, 4, 2, 5))


@pytest.mark.parametrize(("num_nodes", "grid"), [(9, (3, 3)), (6, (2, 3)), (7, (1, 7)), ((4, 2), (4, 2))])
def test_a_number_of_nodes_gives_one_grid(num_nodes, grid):
    x = torch.randn(1, 2, 4, 8, 8)
    graph, want = GridGraph(4, num_nodes)(x), GridGraph(4, scales=[grid])(x)
    assert torch.equal(graph.x, want.x)
    assert torch.equal(graph.edge_index, want.edge_index)


def test_one_grid_and_several_are_a_clear_error():
    with pytest.raises(ValueError, match="Expected one of 'num_nodes' and 'scales' .got 9 and"):
        GridGraph(4, 9, scales=(3, 2))


@pytest.mark.parametrize("scales", [(), (0,), ((2, -1),)])
def test_impossible_scales_are_a_clear_error(scales):
    with pytest.raises(ValueError, match="Expected 'scales' with grids of at least 1 x 1"):
        GridGraph(4, scales=scales)
