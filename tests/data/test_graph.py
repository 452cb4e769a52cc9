import copy
import pickle

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool
from torch_geometric.utils import to_networkx

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import GridGraph, RegionGraph


@pytest.fixture(params=["grid", "region"])
def builder(request):
    torch.manual_seed(1)
    return GridGraph(4) if request.param == "grid" else RegionGraph(4, size=(6, 6), region_channels=8, gain=1.0)


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 6, 6)


def test_the_graph_is_valid(builder, x):
    assert builder(x).validate(raise_on_error=True)


@pytest.mark.parametrize("N", [1, 2, 9])
def test_collated_clips_equal_the_batch_built_at_once(N):
    builder = RegionGraph(4, N, size=(6, 6), region_channels=8)
    x = torch.randn(2, 2, 4, 6, 6)
    whole = builder(x)
    (batch,) = DataLoader([builder(clip[None]).detach() for clip in x], batch_size=2)
    for key in ("x", "edge_index", "kernel", "box", "pos", "batch"):
        torch.testing.assert_close(batch[key], whole[key])
    torch.testing.assert_close(batch.frames, whole.frames)
    assert batch.frame_layout == (2, N)
    torch.testing.assert_close(batch[1].frames, whole.frames[1:])


def test_clips_of_different_layout_have_no_common_grid():
    builder = GridGraph(4)
    graphs = [builder(torch.randn(1, T, 4, 6, 6)) for T in (2, 3)]
    batch = Batch.from_data_list(graphs)
    with pytest.raises(ValueError, match="pad the clips and set 'lengths'"):
        _ = batch.frames


def test_a_subgraph_keeps_what_belongs_to_its_nodes(builder, x):
    graph = builder(x)
    subset = torch.tensor([0, 1, 5])
    sub = graph.subgraph(subset)
    assert sub.validate(raise_on_error=True)
    torch.testing.assert_close(sub.kernel, graph.kernel[subset])
    with pytest.raises(ValueError, match="Expected a graph with a 'layout' .got one without: a subgraph"):
        _ = sub.frames


def test_a_graph_of_two_nodes_does_not_take_its_layout_for_node_features():
    edge_index = complete_edges(2, self_loops=False)  # two nodes, two edges, and a layout of two numbers
    graph = VideoGraph(torch.randn(2, 3), edge_index, layout=(1, 2), lengths=torch.tensor([1, 1]))
    assert not graph.is_node_attr("layout")
    assert not graph.is_edge_attr("lengths")
    part = graph.edge_subgraph(torch.tensor([True, False]))
    assert part.layout == (1, 2)
    assert torch.equal(part.lengths, torch.tensor([1, 1]))


def test_networkx_sees_every_node_and_edge(builder, x):
    graph = builder(x).frame(0, 1)
    nx_graph = to_networkx(graph, node_attrs=["pos"])
    assert nx_graph.number_of_nodes() == graph.num_nodes
    assert set(nx_graph.edges) == set(map(tuple, graph.edge_index.T.tolist()))


def test_the_graph_moves_and_pickles_and_copies(builder, x):
    graph = builder(x).detach()
    assert graph.to("meta").kernel.device.type == "meta"
    for other in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph), copy.copy(graph)):
        torch.testing.assert_close(other.frames, graph.frames)
        assert type(other) is VideoGraph


def test_pooling_by_batch_is_pooling_by_clip(builder, x):
    graph = builder(x)
    torch.testing.assert_close(global_add_pool(graph.x, graph.batch), graph.frames.sum((1, 2)))


def test_frames_is_a_view_in_the_order_clip_frame_node():
    x = torch.arange(2 * 3 * 4).view(24, 1)
    graph = VideoGraph(x, repeat_edges(complete_edges(4), 4, 6), layout=(3, 4))
    assert graph.frames[1, 2, 3, 0] == 23
    assert graph.frames.data_ptr() == x.data_ptr()
    assert (graph.num_clips, graph.num_frames, graph.node_frames.total) == (2, 3, 6)
    assert torch.equal(graph.frame_index, torch.arange(6).repeat_interleave(4))


def test_one_frame_is_a_graph_of_its_own(builder, x):
    graph = builder(x)
    frame = graph.frame(1, 2)
    assert frame.validate(raise_on_error=True)
    assert frame.layout == (1, builder.num_nodes)
    torch.testing.assert_close(frame.x, graph.frames[1, 2])
    alone = builder.frame_edges
    assert set(map(tuple, frame.edge_index.T.tolist())) == set(map(tuple, alone.T.tolist()))
    with pytest.raises(IndexError, match="frame 't' below 3"):
        graph.frame(0, 3)


def test_with_x_shares_the_rest(builder, x):
    graph = builder(x)
    graph.label = 7
    other = graph.with_x(torch.zeros(graph.num_nodes, 9))
    assert other.kernel is graph.kernel
    assert other.label == 7
    assert other.frames.size(-1) == 9
    assert graph.frames.size(-1) == 4


def test_batches_of_several_clips_are_not_collated_again():
    graph = GridGraph(4)(torch.randn(2, 3, 4, 6, 6))
    with pytest.raises(ValueError, match="Expected collated graphs of one clip each"):
        _ = Batch.from_data_list([graph, graph]).frames


def test_a_moved_box_moves_the_position():
    graph = GridGraph(4)(torch.randn(1, 1, 4, 6, 6))
    assert graph.with_attr(box=torch.zeros(14, 4)).pos.abs().sum() == 0
    assert graph.num_clips == 1


def test_mistakes_are_told_in_words(builder, x):
    graph = builder(x)
    with pytest.raises(AttributeError, match="with_x"):
        graph.frames = graph.frames + 1
    with pytest.raises(ValueError, match="Expected a graph with 'kernel' .got one without"):
        VideoGraph(graph.x, graph.edge_index, layout=graph.layout).need("kernel")
    for layout in ((0, 3), (5, 7)):
        with pytest.raises(ValueError, match=r"Expected clips of T \* N"):
            _ = graph.with_attr(layout=layout).frames


def test_a_frame_takes_no_edge_that_leaves_it():
    graph = VideoGraph(torch.randn(6, 2), torch.tensor([[0, 3], [3, 0]]), layout=(2, 3))
    assert graph.frame(0, 1).num_edges == 0
