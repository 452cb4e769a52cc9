from functools import partial

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.nn.dense import DenseGCNConv, DenseGraphConv, DenseSAGEConv

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import (
    RSTG,
    BatchNorm,
    ClipNorm,
    DenseSpaceConv,
    FrameNorm,
    GaussianPosition,
    SpaceConv,
    TemporalRNN,
    ToVector,
)

C = 8


def rstg(cell="lstm", **options):
    norms = {"message_norm": FrameNorm(C), "update_norm": FrameNorm(C)}
    space = SpaceConv(C, **norms)
    return RSTG(space, TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell), norm=FrameNorm(C), **options).double()


@pytest.fixture
def graph():
    return GridGraph(C)(torch.randn(2, 4, C, 6, 6, dtype=torch.float64))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_forward_equals_algorithm_1(graph, cell):
    """The paper's double loop: frame by frame, and in every frame K times a time and a space stage."""
    model, K = rstg(cell), 3
    B, T, N, _ = graph.frames.shape
    want = torch.empty(B, T, N, C, dtype=torch.float64)
    edge_index = GridGraph(C).frame_edges
    for b in range(B):
        h = [None] * (K + 1)
        for t in range(T):
            v = model.norm(graph.frames[b, t])
            for k in range(K):
                v, h[k] = model.time.scan(v[None, None], h[k])
                v = model.space(v[0], edge_index)[0]
            v, h[K] = model.final_time.scan(v[None, None], h[K])
            want[b, t] = v[0, 0]
    torch.testing.assert_close(model(graph).frames, want)


def test_space_only_treats_every_frame_by_itself(graph):
    model = RSTG(SpaceConv(C), nn.Identity(), nn.Identity()).double()
    shuffled = graph.with_x(graph.frames.flip(1).flatten(0, 2))
    torch.testing.assert_close(model(shuffled).frames, model(graph).frames.flip(1))


def test_time_only_passes_no_messages(graph):
    model = RSTG(SpaceConv(C), nn.Identity(), TemporalRNN(C), num_iterations=0).double()
    other = graph.frames.clone()
    other[:, :, 1:] += 1
    torch.testing.assert_close(model(graph.with_x(other.flatten(0, 2))).frames[:, :, 0], model(graph).frames[:, :, 0])


def test_identity_parts_leave_the_graph_as_it_is(graph):
    model = RSTG(nn.Identity(), nn.Identity(), nn.Identity(), num_iterations=0)
    assert torch.equal(model(graph).x, graph.x)


def test_every_iteration_may_have_its_own_parameters(graph):
    space, time = SpaceConv(C), TemporalRNN(C)
    shared = RSTG(space, time, TemporalRNN(C), num_iterations=2).double()
    own = RSTG(
        nn.ModuleList([space, SpaceConv(C)]), nn.ModuleList([time] * 2), shared.final_time, num_iterations=2
    ).double()
    assert not torch.allclose(own(graph).x, shared(graph).x)
    own.space[1].load_state_dict(space.state_dict())
    torch.testing.assert_close(own(graph).x, shared(graph).x)


CONVS = {
    "GCN": lambda: pyg.GCNConv(C, C),
    "GATv2": lambda: pyg.GATv2Conv(C, C),
    "Transformer": lambda: pyg.TransformerConv(C, C),
    "GIN": lambda: pyg.GINConv(nn.Linear(C, C)),
    "SAGE": lambda: pyg.SAGEConv(C, C),
    "ResGated": lambda: pyg.ResGatedGraphConv(C, C),
    "GPS": lambda: pyg.GPSConv(C, pyg.GCNConv(C, C), heads=2, norm=None),
    "Sequential": lambda: pyg.Sequential("x, edge_index", [(pyg.GCNConv(C, C), "x, edge_index -> x"), nn.ReLU()]),
}


@pytest.mark.parametrize("name", CONVS)
def test_any_pyg_convolution_is_a_space_stage(graph, name):
    model = RSTG(CONVS[name](), TemporalRNN(C), TemporalRNN(C)).double().eval()
    y = model(graph).frames
    later = graph.frames.clone()
    later[:, 2:] += 1
    early = model(graph.with_x(later.flatten(0, 2))).frames[:, :2]
    torch.testing.assert_close(early, y[:, :2])  # no leak from later frames, also where attention is global
    other = graph.frames.clone()
    other[1] += 1
    torch.testing.assert_close(model(graph.with_x(other.flatten(0, 2))).frames[0], y[0])  # nor from other clips
    assert not torch.allclose(y[:, 2:], model(graph.with_x(later.flatten(0, 2))).frames[:, 2:])


def test_messages_see_gaussian_positions(graph):
    model = RSTG(SpaceConv(C, position_channels=36), TemporalRNN(C), TemporalRNN(C)).double()
    graph = GaussianPosition()(graph)
    moved = graph.with_attr(position=graph.position.roll(1, 0))
    assert not torch.allclose(model(graph).x, model(moved).x)


def test_positions_that_nobody_reads_are_an_error(graph):
    model = RSTG(pyg.GCNConv(C, C), TemporalRNN(C), TemporalRNN(C)).double()
    with pytest.raises(ValueError, match="Expected a space stage that takes 'position'"):
        model(GaussianPosition()(graph))


def test_wrong_input_is_a_clear_error(graph):
    model = rstg()
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got Tensor.; put a builder before"):
        model(torch.zeros(3))
    with pytest.raises(ValueError, match="Expected 'state' with 4 entries, as an earlier scan gave it .got 1"):
        model.scan(graph, [None])
    with pytest.raises(ValueError, match="Expected 'num_iterations' of at least 0 .got -1"):
        rstg(num_iterations=-1)
    with pytest.raises(ValueError, match="Expected a list 'space' of num_iterations = 3 modules .got 1"):
        RSTG(nn.ModuleList([SpaceConv(C)]), TemporalRNN(C), TemporalRNN(C))
    with pytest.raises(ValueError, match=r"Expected 'x' of shape \[B, T, N, 4\]"):
        RSTG(SpaceConv(4), TemporalRNN(4), TemporalRNN(4)).double()(graph)


def test_reset_parameters_draws_anew(graph):
    model = rstg()
    before = model(graph).x
    model.reset_parameters()
    assert not torch.allclose(model(graph).x, before)


def test_a_collated_batch_runs_like_one_built_at_once(graph):
    from torch_geometric.loader import DataLoader

    model = nn.Sequential(rstg(), ToVector())
    x = torch.randn(3, 4, C, 6, 6, dtype=torch.float64)
    (batch,) = DataLoader([GridGraph(C)(clip[None]) for clip in x], batch_size=3)
    torch.testing.assert_close(model(batch), model(GridGraph(C)(x)))


def test_a_swapped_space_stage_gets_what_it_asks_for(graph):
    space = SpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C))
    model = RSTG(pyg.GCNConv(C, C), TemporalRNN(C), TemporalRNN(C)).double()
    model.space = space.double()
    other = RSTG(space, model.time, model.final_time)
    torch.testing.assert_close(model(graph).x, other(graph).x)
    mixed = RSTG(nn.ModuleList([space, pyg.GCNConv(C, C).double()]), model.time, model.final_time, num_iterations=2)
    two = torch.randn(2, 4, C, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(mixed(GridGraph(C)(two)).frames[:1], mixed(GridGraph(C)(two[:1])).frames)


def test_a_wrapper_hands_the_frames_on(graph):
    class Wrapper(nn.Module):
        def __init__(self, conv):
            super().__init__()
            self.conv = conv

        def forward(self, *args, **kwargs):
            return self.conv(*args, **kwargs)

    model = RSTG(SpaceConv(C, message_norm=FrameNorm(C)), TemporalRNN(C), TemporalRNN(C)).double()
    want = model(graph).x
    model.space = Wrapper(model.space)
    torch.testing.assert_close(model(graph).x, want)


def test_edge_features_reach_the_convolution(graph):
    model = RSTG(pyg.GATv2Conv(C, C, edge_dim=3), TemporalRNN(C), TemporalRNN(C)).double()
    one, two = (graph.with_attr(edge_attr=torch.randn(graph.num_edges, 3).double()) for _ in range(2))
    assert not torch.allclose(model(one).x, model(two).x)


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ([[5], [0]], "Expected edges within frames"),
        ([[6], [0]], "Expected 'edge_index' between 0 and the number of nodes - 1 = 5 .got 0 to 6"),
        ([[-1], [0]], "Expected 'edge_index' between 0"),
    ],
)
def test_edges_out_of_place_are_a_clear_error(edge, message):
    with pytest.raises(ValueError, match=message):
        rstg()(VideoGraph(torch.randn(6, C).double(), torch.tensor(edge), layout=(2, 3)))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_masked_nodes_leave_algorithm_1_to_those_that_are_there(cell):
    """The paper's double loop over the nodes of each frame that are there, each with the state it had last."""
    graph = GridGraph(C, (1, 4), connect="complete")(torch.randn(1, 4, C, 6, 8, dtype=torch.float64))
    mask = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]], dtype=torch.bool)
    sender, receiver = graph.edge_index
    kept = mask.flatten()[sender] & mask.flatten()[receiver]
    graph = graph.with_attr(mask=mask.flatten(), edge_index=graph.edge_index[:, kept])
    model, K = rstg(cell), 3
    got = model(graph).frames[0]
    state = {}
    for t in [0, 1, 3]:
        nodes = mask[t].nonzero().flatten().tolist()
        edge_index = complete_edges(len(nodes))
        v = model.norm(graph.frames[0, t, nodes])
        for k in range(K + 1):
            time = model.final_time if k == K else model.time
            rows = []
            for i, n in enumerate(nodes):
                row, state[n, k] = time.scan(v[i].view(1, 1, 1, C), state.get((n, k)))
                rows.append(row.flatten())
            v = torch.stack(rows)
            if k < K:
                v = model.space(v[None], edge_index)[0]
        torch.testing.assert_close(got[t, nodes], v)


def test_a_space_stage_that_would_ignore_the_weights_of_edges_is_refused():
    graph = GridGraph(C, connect="attention")(torch.randn(1, 2, C, 6, 6))
    with pytest.raises(ValueError, match="takes 'edge_weight'.*got GATv2Conv.; use SpaceConv"):
        RSTG(pyg.GATv2Conv(C, C), nn.Identity(), nn.Identity())(graph)


def as_graph(x, edge_index, **attributes):
    return VideoGraph(x.flatten(0, 2), edge_index, layout=tuple(x.shape[1:3]), **attributes)


@pytest.mark.parametrize("kind", [SpaceConv, DenseSpaceConv])
@pytest.mark.parametrize("norm", [FrameNorm, ClipNorm, BatchNorm, partial(BatchNorm, by_frame=True), pyg.LayerNorm])
def test_padded_frames_change_no_norm_of_the_space_stage(kind, norm):
    edges = complete_edges(4)
    space = kind(C, message_norm=norm(C), gather_norm=norm(C), update_norm=norm(C))
    model = RSTG(space, nn.Identity(), nn.Identity(), norm=norm(C)).double()
    x = torch.randn(2, 5, 4, C, dtype=torch.float64)
    short = as_graph(x[:, :3], repeat_edges(edges, 4, 6))
    padded = as_graph(x, repeat_edges(edges, 4, 10), lengths=torch.tensor([3, 3]))
    torch.testing.assert_close(model(padded).frames[:, :3], model(short).frames)


def test_a_dense_stage_refuses_several_edges_between_two_nodes_and_missing_ones_if_complete():
    model = RSTG(DenseSpaceConv(C), nn.Identity(), nn.Identity())
    x, twice = torch.randn(1, 1, 3, C), torch.tensor([[0, 0, 1], [1, 1, 1]])
    with pytest.raises(ValueError, match="at most one edge from a node to another"):
        model(as_graph(x, twice))
    complete = RSTG(DenseSpaceConv(C, complete=True), nn.Identity(), nn.Identity())
    with pytest.raises(ValueError, match="all pairs for a stage with complete=True"):
        complete(as_graph(x, twice[:, 1:]))
    torch.testing.assert_close(complete(as_graph(x, complete_edges(3))).x.shape, x.flatten(0, 2).shape)


@pytest.mark.parametrize("dense", [DenseGCNConv, DenseSAGEConv, DenseGraphConv])
def test_dense_layers_of_pyg_are_space_stages(dense):
    model = RSTG(dense(C, C), nn.Identity(), TemporalRNN(C)).double()
    x = torch.randn(2, 3, 4, C, dtype=torch.float64)
    graph = as_graph(x, repeat_edges(complete_edges(4), 4, 6))
    alone = as_graph(x[1:, :], repeat_edges(complete_edges(4), 4, 3))
    torch.testing.assert_close(model(graph).frames[1:], model(alone).frames)


@pytest.mark.parametrize("norm", [pyg.BatchNorm, nn.BatchNorm1d, nn.LayerNorm])
def test_norms_of_rows_see_rows(norm):
    sparse, dense = (kind(C, message_norm=norm(C), update_norm=norm(C)) for kind in (SpaceConv, DenseSpaceConv))
    dense.load_state_dict(sparse.state_dict())
    x = torch.randn(2, 3, C, C)  # as many nodes as channels
    graph = as_graph(x, repeat_edges(complete_edges(C), C, 6))
    results = [RSTG(stage, nn.Identity(), nn.Identity(), norm=norm(C))(graph).x for stage in (sparse, dense)]
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-4)


def test_weights_of_edges_reach_a_convolution_or_are_refused():
    x, edges = torch.randn(1, 2, 4, C), repeat_edges(complete_edges(4), 4, 2)
    one, two = (as_graph(x, edges, edge_weight=torch.rand(edges.size(1))) for _ in range(2))
    for space in (pyg.GCNConv(C, C), pyg.GPSConv(C, pyg.GCNConv(C, C), heads=2), pyg.AntiSymmetricConv(C)):
        model = RSTG(space, nn.Identity(), nn.Identity())
        assert not torch.allclose(model(one).x, model(two).x)
    with pytest.raises(ValueError, match="takes 'edge_weight'.*got DirGNNConv"):
        RSTG(pyg.DirGNNConv(pyg.GCNConv(C, C)), nn.Identity(), nn.Identity())(one)
