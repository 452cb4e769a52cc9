import pytest
import torch

from pyg_video.functional import grid_boxes
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import GaussianPosition, KernelEmbedding, TablePosition


def test_the_kernel_embedding_adds_a_projection_of_the_kernel():
    graph = GridGraph(4)(torch.randn(1, 2, 4, 6, 8))
    layer = KernelEmbedding(4, (6, 8))
    torch.testing.assert_close(layer(graph).x, graph.x + layer.linear(graph.kernel.flatten(1)))


def test_the_kernel_embedding_takes_maps_of_another_size():
    graph = GridGraph(4)(torch.randn(1, 2, 4, 12, 16))
    layer = KernelEmbedding(4, (6, 8))
    small = torch.nn.functional.avg_pool2d(graph.kernel, 2)
    torch.testing.assert_close(layer(graph).x, graph.x + layer.linear(small.flatten(1)))


def test_positions_are_gaussians_inside_the_cell_and_zero_outside():
    graph = GridGraph(4)(torch.randn(1, 1, 4, 6, 6))
    position = GaussianPosition(size=6, std=2.0)(graph).position.view(14, 6, 6)
    r = torch.arange(2.0)
    cell = torch.exp(-((r[:, None] - 0.5) ** 2 + (r - 0.5) ** 2) / 8)  # a 2 x 2 cell of the 3 x 3 scale
    torch.testing.assert_close(position[4, 2:4, 2:4], cell)
    assert position[4].count_nonzero() == 4
    assert (position.flatten(1).count_nonzero(1) == torch.tensor([4] * 9 + [9] * 4 + [36])).all()


def test_gaussians_move_with_the_box():
    graph = GridGraph(4, 4)(torch.randn(1, 1, 4, 6, 6)).with_attr(box=grid_boxes(2, 2).flip(0))
    position = GaussianPosition(size=4)(graph).position.view(4, 4, 4)
    assert position[0, 2:, 2:].sum() > 0
    assert position[0, :2].sum() == 0


def test_a_table_gives_every_frame_the_same_positions():
    graph, table = GridGraph(4, 4)(torch.randn(2, 3, 4, 6, 6)), torch.randn(4, 7)
    position = graph.grid(TablePosition(table)(graph).position)
    torch.testing.assert_close(position, table.expand(2, 3, 4, 7))


def test_a_table_of_another_number_of_nodes_is_refused():
    with pytest.raises(ValueError, match="Expected frames of 3 nodes, as the table has .got 4."):
        TablePosition(torch.randn(3, 7))(GridGraph(4, 4)(torch.randn(1, 1, 4, 6, 6)))


@pytest.mark.parametrize(("size", "std"), [(0, 2.0), (6, 0.0)])
def test_a_gaussian_of_no_size_is_an_error(size, std):
    with pytest.raises(ValueError, match="Expected 'size' of at least 1 and 'std' above 0"):
        GaussianPosition(size, std)
