import pytest
import torch

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.visualization import plot_explanation

matplotlib = pytest.importorskip("matplotlib")
T, N = 3, 2


@pytest.fixture
def graph():
    """Two clips: edges within frames, and one from the first frame of the second clip to its last."""
    edges = torch.cat([repeat_edges(complete_edges(N), N, 2 * T), torch.tensor([[6], [11]])], dim=1)
    clips = VideoGraph(torch.zeros(2 * T * N, 4), edges, layout=(T, N), box=torch.rand(12, 4) / 2 + 0.2)
    return clips.with_attr(node_mask=torch.linspace(0, 0.5, 12), edge_mask=torch.linspace(0.1, 1, 25))


@pytest.fixture
def video():
    return torch.rand(T, 1, 20, 30)


def opacities(figure):
    from matplotlib.patches import ConnectionPatch

    return [patch.get_alpha() for patch in figure.artists + figure.patches if isinstance(patch, ConnectionPatch)]


def test_every_frame_is_drawn_with_its_mask(graph, video):
    figure = plot_explanation(graph, video, clip=1)
    assert [axes.get_title() for axes in figure.axes] == ["0: 0.32", "1: 0.41", "2: 0.50"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    sizes = torch.tensor([axes.collections[0].get_sizes().tolist() for axes in figure.axes])
    assert (sizes.flatten().diff() > 0).all()
    assert sizes.max() == 200  # of the largest node of the clip, not of each frame


def test_edges_between_frames_go_from_one_to_the_other(graph, video):
    assert opacities(plot_explanation(graph, video, clip=1)) == [1.0]
    assert opacities(plot_explanation(graph, video, clip=0)) == []
    faint = graph.with_attr(edge_mask=torch.cat([graph.edge_mask[:-1], torch.tensor([0.001])]))
    assert opacities(plot_explanation(faint, video, clip=1)) == []


def test_opacity_is_relative_to_the_largest_of_the_clip(graph, video):
    lines = [line for axes in plot_explanation(graph, video).axes for line in axes.lines]
    opacity = [line.get_alpha() for line in lines]
    assert opacity == sorted(opacity)
    assert opacity[-1] < 1.0  # the self-loop behind it is larger


def test_one_kind_of_mask_is_enough(graph, video):
    for name in ("node_mask", "edge_mask"):
        one = VideoGraph(graph.x, graph.edge_index, layout=(T, N), box=graph.box, **{name: graph[name]})
        figure = plot_explanation(one, video)
        assert len(figure.axes) == T
        assert figure.axes[0].get_title() == ("0: 0.05" if name == "node_mask" else "0")


def test_wrong_input_is_a_clear_error(graph, video):
    bare = VideoGraph(graph.x, graph.edge_index, layout=(T, N), box=graph.box)
    with pytest.raises(ValueError, match="Expected a graph with 'node_mask' or 'edge_mask' .got one without.; use exp"):
        plot_explanation(bare, video)
    with pytest.raises(IndexError, match="Expected 'clip' below 2 .got 2"):
        plot_explanation(graph, video, clip=2)
    with pytest.raises(ValueError, match="Expected 'video' with 3 frames, as the graph has .got 2"):
        plot_explanation(graph, video[:2])
    with pytest.raises(ValueError, match="Expected 'video'"):
        plot_explanation(graph, video[0])
