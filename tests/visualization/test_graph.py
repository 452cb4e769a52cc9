import pytest
import torch

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, grid_boxes
from pyg_video.visualization import plot_graph

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def graph():
    box = torch.cat([grid_boxes(3, 3), grid_boxes(1, 1)])
    return VideoGraph(torch.zeros(10, 4), complete_edges(10), layout=(1, 10), box=box)


def test_every_node_and_edge_is_drawn(graph):
    axes = plot_graph(graph, torch.rand(1, 20, 20))
    assert len(axes.collections[0].get_offsets()) == 10
    assert len(axes.lines) == 90  # self loops are not
    assert len(axes.patches) == 10
    assert len(plot_graph(graph, torch.rand(3, 20, 20), boxes=False).patches) == 0


def test_nodes_with_the_same_centre_stay_apart(graph):
    place = torch.tensor(plot_graph(graph, torch.rand(1, 20, 20)).collections[0].get_offsets().data)
    assert torch.pdist(place).min() > 0.02
    assert place[4, 1] == place[9, 1]


def test_the_strongest_edge_is_drawn_in_full(graph):
    weight = torch.zeros(100)
    weight[7] = 0.3
    lines = plot_graph(graph, torch.rand(1, 20, 20), edge_weight=weight).lines
    assert sorted(line.get_alpha() for line in lines)[-2:] == [0.0, 1.0]


def test_several_frames_are_refused(graph):
    two = VideoGraph(torch.zeros(20, 4), graph.edge_index, layout=(2, 10), box=graph.box.repeat(2, 1))
    with pytest.raises(ValueError, match=r"Expected the graph of one frame \(got 2\); use graph.frame"):
        plot_graph(two, torch.rand(1, 20, 20))


def test_wrong_shapes_are_told(graph):
    with pytest.raises(ValueError, match=r"Expected 'image' of shape \[1, H, W\]"):
        plot_graph(graph, torch.rand(20, 20))
    with pytest.raises(ValueError, match=r"Expected 'edge_weight' of shape \[100\]"):
        plot_graph(graph, torch.rand(1, 20, 20), edge_weight=torch.ones(4))
    with pytest.raises(ValueError, match="with 'box'"):
        plot_graph(VideoGraph(torch.zeros(2, 4), torch.empty(2, 0).long(), layout=(1, 2)), torch.rand(1, 20, 20))
