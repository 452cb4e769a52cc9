import sys

import pytest
import torch

from pyg_video.functional import grid_boxes
from pyg_video.graph_builders import ClusterGraph


@pytest.fixture
def x():
    return torch.randn(2, 2, 4, 6, 8, dtype=torch.float64)


def test_a_flat_frame_falls_into_the_cells_of_the_grid():
    graph = ClusterGraph(3, (2, 2))(torch.ones(1, 1, 3, 6, 8))
    torch.testing.assert_close(graph.box, grid_boxes(2, 2))


def test_a_cluster_gathers_like_pixels_from_all_over_the_frame():
    x = torch.zeros(1, 1, 3, 4, 4)
    x[..., 0, 0] = x[..., 3, 3] = x[..., 0, 3] = 1.0
    graph = ClusterGraph(3, (1, 2), compactness=0.0)(x)
    corners = next(kernel for kernel in graph.kernel if kernel[0, 0] > 0)
    assert corners.nonzero().tolist() == [[0, 0], [0, 3], [3, 3]]


def test_clusters_are_those_of_lloyds_algorithm(x):
    """Written out: cells, then by turns the nearest mean of every pixel and the mean of every cluster's pixels."""
    builder, frame = ClusterGraph(4, (1, 2), compactness=0.5, iterations=50), x[0, 0]
    spread = frame.flatten(1).var(1, correction=0).mean().sqrt()
    row, col = torch.meshgrid((torch.arange(6.0) + 0.5) / 6, (torch.arange(8.0) + 0.5) / 4, indexing="ij")
    pixels = torch.cat([frame / spread / 2, 0.5 * row[None], 0.5 * col[None]]).flatten(1).T
    label = (torch.arange(48) % 8 >= 4).long()
    for _ in range(50):
        centers = torch.stack([pixels[label == n].mean(0) for n in range(2)])
        label = (pixels[:, None] - centers).square().sum(-1).argmin(1)
    kernel = builder(x).grid(builder(x).kernel)[0, 0]
    assert torch.equal(kernel[1].flatten() > 0, label == 1)


def test_every_pixel_is_in_one_cluster(x):
    graph = ClusterGraph(4, (2, 3))(x)
    torch.testing.assert_close(graph.grid(graph.kernel).sum(2), torch.ones(2, 2, 6, 8, dtype=x.dtype))
    assert bool(graph.mask.all())


def test_fewer_different_pixels_than_clusters_leave_nodes_missing():
    x = torch.zeros(1, 1, 3, 4, 4)
    x[..., 2:] = 1.0
    graph = ClusterGraph(3, (2, 2), compactness=0.0)(x)
    assert graph.mask.sum() == 2
    assert graph.num_edges == 4
    assert graph.box[~graph.mask].abs().max() == 0


def test_the_same_input_gives_the_same_clusters(x):
    builder = ClusterGraph(4)
    assert torch.equal(builder(x).kernel, builder(x.clone()).kernel)
    assert torch.equal(builder(2 * x + 3).kernel, builder(x).kernel)


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'has \'sklearn\'.*pip install "\.\[superpixels\]"'):
        ClusterGraph(4)


def test_wrong_input_is_a_clear_error():
    with pytest.raises(ValueError, match="Expected 'compactness' and 'iterations' of at least 0 and 1"):
        ClusterGraph(4, iterations=0)
    with pytest.raises(ValueError, match="at least 9 pixels, one per cluster .got 2 x 4"):
        ClusterGraph(4)(torch.zeros(1, 1, 4, 2, 4))
