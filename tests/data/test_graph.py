import copy
import pickle

import pytest
import torch
from torch_geometric import transforms as T
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.loader.utils import filter_data
from torch_geometric.nn import global_add_pool
from torch_geometric.utils import sort_edge_index, to_networkx

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
    for key in ("x", "kernel", "box", "pos", "batch"):
        torch.testing.assert_close(batch[key], whole[key])
    assert torch.equal(sort_edge_index(batch.edge_index), sort_edge_index(whole.edge_index))
    torch.testing.assert_close(batch.frames, whole.frames)
    assert batch.frame_layout == (2, N)
    torch.testing.assert_close(batch[1].frames, whole.frames[1:])


def clips(*lengths, C=4, size=(6, 6), **options):
    return [GridGraph(C)(torch.randn(1, T, C, *size), **options) for T in lengths]


def test_clips_of_different_layout_have_no_common_grid():
    batch = Batch.from_data_list(clips(2, 3))
    assert batch.is_ragged
    assert (batch.num_clips, batch.clip_layouts) == (2, [(2, 14), (3, 14)])
    with pytest.raises(ValueError, match="one grid .got .*; use graph.padded"):
        _ = batch.frames


def same(one, other):
    assert type(one) is type(other)
    assert set(one.keys()) == set(other.keys())
    for key in other.keys():  # noqa: SIM118
        if isinstance(other[key], torch.Tensor):
            torch.testing.assert_close(one[key], other[key])
        else:
            assert one[key] == other[key]


def collation(kind):
    """Graphs to collate: of one clip each, of clips of different lengths, of several clips, and of padded ones."""
    if kind == "clips":
        return clips(3, 3)
    if kind == "ragged":
        return clips(3, 1, 2)
    several = GridGraph(4)(torch.randn(2, 3, 4, 6, 6), torch.tensor([1, 3]) if kind == "padded" else None)
    return [several, *clips(2, lengths=torch.tensor([2]))] if kind == "padded" else [several, several, *clips(1)]


@pytest.mark.parametrize("kind", ["clips", "ragged", "several", "padded"])
def test_a_batch_gives_back_what_went_in(kind):
    graphs = collation(kind)
    (batch,) = DataLoader(graphs, batch_size=len(graphs))
    assert batch.num_graphs == len(graphs)
    for got in (batch.to_data_list(), batch[list(range(len(graphs)))]):
        for one, other in zip(got, graphs, strict=True):
            same(one, other)


@pytest.mark.parametrize("kind", ["clips", "ragged", "several", "padded"])
def test_a_batch_numbers_its_nodes_by_clip(kind):
    batch = Batch.from_data_list(collation(kind))
    assert int(batch.batch.max()) + 1 == batch.num_clips == sum(graph.num_graphs for graph in collation(kind))
    sizes = torch.tensor([T * N for T, N in batch.clip_layouts])
    assert torch.equal(batch.batch.bincount(), sizes)


def test_batches_are_collated_once_more():
    parts = [Batch.from_data_list(clips(2, 3)), Batch.from_data_list(clips(1, 1))]
    batch = Batch.from_data_list(parts)
    assert batch.clip_layouts == [(2, 14), (3, 14), (1, 14), (1, 14)]
    assert torch.equal(batch.batch.bincount(), torch.tensor([28, 42, 14, 14]))
    assert batch[0].clip_layouts == [(2, 14), (3, 14)]
    torch.testing.assert_close(batch[1].frames, parts[1].frames)


def test_what_a_batch_of_batches_gives_back_is_collated_again():
    parts = [Batch.from_data_list(clips(2, 3)), Batch.from_data_list(clips(1, 4))]
    again = Batch.from_data_list(Batch.from_data_list(parts).to_data_list())
    assert again.clip_layouts == [(2, 14), (3, 14), (1, 14), (4, 14)]
    assert torch.equal(again.batch.bincount(), torch.tensor([28, 42, 14, 56]))
    assert torch.equal(again[1].x, parts[1].x)


def test_the_layout_is_a_plain_tuple():
    (graph,) = clips(2)
    assert type(graph.layout) is tuple
    del graph.layout
    assert not hasattr(graph, "layout")


def test_another_x_leaves_a_batch_a_batch():
    graphs = clips(2, 3)
    batch = Batch.from_data_list(graphs)
    other = batch.with_attr(x=batch.x * 2, position=batch.pos, y=torch.tensor([4, 5]))
    assert type(other) is type(batch)
    assert torch.equal(batch.x * 2, other.x)
    for one, graph, label in zip(other.to_data_list(), graphs, (4, 5), strict=True):
        same(one, graph.with_attr(x=graph.x * 2, position=graph.pos, y=torch.tensor([label])))


def test_other_edges_of_a_batch_are_taken_apart_as_well():
    batch = Batch.from_data_list(clips(2, 3))
    kept = (batch.edge_index != 0).all(dim=0)
    other = batch.with_attr(edge_index=batch.edge_index[:, kept], edge_weight=torch.rand(int(kept.sum())))
    assert other[0].num_edges + other[1].num_edges == other.num_edges
    assert torch.equal(other[1].edge_index, batch[1].edge_index)
    assert torch.equal(other[1].edge_weight, other.edge_weight[other[0].num_edges :])
    with pytest.raises(ValueError, match="in the order of its graphs"):
        batch.with_attr(edge_index=batch.edge_index.flip(1))


def test_a_subgraph_of_a_batch_can_not_be_taken_apart():
    sub = Batch.from_data_list(clips(2, 3)).subgraph(torch.arange(5))
    with pytest.raises(RuntimeError, match="Cannot reconstruct"):
        sub.to_data_list()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("name", ["lengths", "mask", "edge_weight", "position"])
def test_what_only_some_graphs_have_is_not_lost(name, order):
    one, other = clips(2, 2)
    size = {"lengths": (1,), "edge_weight": (one.num_edges,)}.get(name, (one.num_nodes,))
    graphs = [one, other.with_attr(**{name: torch.ones(size, dtype=torch.long)})]
    with pytest.raises(ValueError, match=f"with the same attributes, .* .got '{name}' in 1 of 2.; set it in all"):
        Batch.from_data_list([graphs[k] for k in order])


def test_a_layout_that_only_some_graphs_have_is_not_made_up():
    one, other = clips(2, 2)
    part = other.subgraph(torch.arange(14))
    with pytest.raises(KeyError, match="Expected a graph with a 'layout' .got one without: a subgraph"):
        Batch.from_data_list([one, part])
    with pytest.raises(ValueError, match="Expected a graph with a 'layout' .got one without: a subgraph"):
        _ = Batch.from_data_list([part, one]).frames


def test_maps_of_different_size_are_not_collated():
    with pytest.raises(ValueError, match="whose 'kernel' has one shape, rows aside .got .*; use maps of one size"):
        Batch.from_data_list([*clips(2), *clips(2, size=(7, 6))])


def sample_of(graph, nodes):
    """What PyG's NeighborLoader gives: these nodes in this order, without the compiled sampler that chooses them."""
    edges = torch.tensor([[0, 1], [1, 0]])
    sample = filter_data(graph, nodes, *edges, edge=torch.tensor([0, 1]))
    sample.n_id = nodes
    return sample


def moved(graph):
    return graph.to("cpu").contiguous()


@pytest.mark.parametrize("change", ["isolated", "neighbours", "moved", "with_x", "by hand"])
def test_other_nodes_than_the_layout_was_given_for_have_no_grid(change):
    edges = torch.tensor([[0, 1], [1, 0]])  # of six nodes, two have a neighbour
    graph = VideoGraph(torch.randn(6, 2), edges, layout=(1, 2))
    if change == "neighbours":
        graph = sample_of(graph, torch.tensor([1, 0]))
    elif change == "with_x":
        graph = graph.with_x(graph.x[:2])
    elif change == "by hand":
        graph.x = graph.x[:2]
    else:
        graph = T.RemoveIsolatedNodes()(graph)
        graph = moved(graph) if change == "moved" else graph
    with pytest.raises(ValueError, match="Expected the 6 nodes that the 'layout' was given for .got 2"):
        _ = graph.frames
    graph.layout = (1, 2)
    assert change == "neighbours" or graph.frames.shape == (1, 1, 2, 2)


def test_a_sample_of_all_nodes_in_another_order_has_no_grid():
    graph = VideoGraph(torch.randn(4, 2), repeat_edges(complete_edges(2), 2, 2), layout=(2, 2))
    sample = sample_of(graph, torch.tensor([3, 1, 0, 2]))
    with pytest.raises(ValueError, match="put others in their place"):
        _ = sample.frames


def test_a_saved_graph_is_loaded_without_trust(builder, x, tmp_path):
    graph = builder(x).detach()
    torch.save(graph, tmp_path / "graph.pt")
    same(torch.load(tmp_path / "graph.pt", weights_only=True), graph)


@pytest.mark.filterwarnings("error")
def test_an_in_memory_data_set_holds_clips_of_any_length(tmp_path):
    graphs = [graph.detach() for graph in clips(2, 3)]

    class Clips(InMemoryDataset):
        processed_file_names = "clips.pt"

        def __init__(self, root):
            super().__init__(root, log=False)
            self.load(self.processed_paths[0], data_cls=VideoGraph)

        def process(self):
            self.save(graphs, self.processed_paths[0])

    for data in (Clips(tmp_path), Clips(tmp_path)):  # made, and read
        for one, other in zip(data, graphs, strict=True):
            same(one, other)
        (batch,) = DataLoader(data, batch_size=2)
        assert batch.clip_layouts == [(2, 14), (3, 14)]


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
