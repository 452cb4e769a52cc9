import pytest
import torch
from torch_geometric import nn as pyg

from pyg_video.graph_builders import BoxGraph, GridGraph
from pyg_video.layers import (
    RSTG,
    BatchNorm,
    ConnectAllPairs,
    FrameNorm,
    GaussianPosition,
    HomogeneousGraph,
    SpaceConv,
    ToMap,
    ToVector,
    scan,
)

C, B, T, N = 8, 2, 4, 5


def space(**options):
    return SpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C), **options)


@pytest.fixture
def net():
    return HomogeneousGraph(space(), num_iterations=2).double()


@pytest.fixture
def x():
    return torch.randn(B, T, C, 6, 6, dtype=torch.float64)


@pytest.fixture
def graph(x):
    return GridGraph(C, scales=(2, 1))(x)


def with_frames(graph, frames):
    return graph.with_x(frames.flatten(0, 2))


def test_it_is_the_convolution_on_the_graph_of_all_frames(graph):
    """The clip's adjacency written out: frames on the diagonal, identities beside it."""
    frame = torch.zeros(N, N)
    frame[tuple(GridGraph(C, scales=(2, 1)).frame_edges)] = 1
    neighbours = torch.diag(torch.ones(T - 1), 1) + torch.diag(torch.ones(T - 1), -1)
    adjacency = torch.kron(torch.eye(T), frame) + torch.kron(neighbours, torch.eye(N))
    conv = SpaceConv(C).double()
    want = graph.frames.flatten(1, 2)  # [B, T * N, C]
    for _ in range(3):
        want = conv(want, adjacency.nonzero().T)
    torch.testing.assert_close(HomogeneousGraph(conv)(graph).frames.flatten(1, 2), want)


def test_one_set_of_parameters_serves_space_and_time(net):
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"space"}
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in space().parameters())


def test_a_node_reaches_itself_as_many_frames_away_as_there_are_rounds(graph):
    net = HomogeneousGraph(SpaceConv(C), num_iterations=2).double()
    other = graph.frames.clone()
    other[0, 0] += 1
    changed = (net(with_frames(graph, other)).frames - net(graph).frames).abs().amax(dim=(2, 3)) > 1e-9  # [B, T]
    assert changed.tolist() == [[True, True, True, False], [False] * 4]


def test_backwards_is_as_good_as_forwards(net, graph):
    """Edges over time go both ways and no edge knows which way."""
    backwards = net(with_frames(graph, graph.frames.flip(1)))
    torch.testing.assert_close(backwards.frames, net(graph).frames.flip(1))


def test_frames_in_another_order_have_other_neighbours(net, graph):
    order = torch.tensor([0, 2, 1, 3])
    assert not torch.allclose(net(with_frames(graph, graph.frames[:, order])).frames, net(graph).frames[:, order])


def test_a_single_frame_is_the_space_stages_alone(x):
    graph, conv = GridGraph(C)(x[:, :1]), space().double()
    alone = RSTG(conv, torch.nn.Identity(), torch.nn.Identity())
    torch.testing.assert_close(HomogeneousGraph(conv)(graph).x, alone(graph).x)


def test_two_clips_in_a_batch_equal_the_clips_alone(net, x):
    build = GridGraph(C)
    torch.testing.assert_close(net(build(x)).frames, torch.cat([net(build(clip[None])).frames for clip in x]))


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_padded_clips_equal_the_clips_alone(net, x, readout):
    build, lengths = GridGraph(C), torch.tensor([3, 4])
    x[0, 3:] = 100.0
    padded = net(build(x, lengths))
    alone = [ToVector(readout)(net(build(x[b : b + 1, :n]))) for b, n in enumerate(lengths)]
    torch.testing.assert_close(ToVector(readout)(padded), torch.cat(alone))
    assert padded.frames[0, 3:].abs().sum() == 0


def test_renumbered_nodes_give_renumbered_results(net, graph):
    order = torch.randperm(N)
    place = (torch.arange(B * T * N).view(-1, N)[:, order]).flatten()
    other = graph.with_attr(x=graph.x[place], edge_index=place.argsort()[graph.edge_index])
    torch.testing.assert_close(net(other).x, net(graph).x[place])


def test_the_graph_stays_the_graph_of_the_frames(net, x):
    graph = GridGraph(C)(x)
    assert torch.equal(net(graph).edge_index, graph.edge_index)
    assert ToMap()(net(graph)).shape == x.shape


def test_batch_norms_take_all_frames_together(graph):
    net = HomogeneousGraph(SpaceConv(C, update_norm=BatchNorm(C, momentum=1.0)), num_iterations=1).double()
    for training in (True, False):
        torch.testing.assert_close(net.train(training)(graph).x.mean(0), torch.zeros(C, dtype=torch.float64))


def test_scales_may_have_updates_of_their_own(graph):
    net = HomogeneousGraph(SpaceConv(C, update_groups=GridGraph(C, scales=(2, 1)).nodes_per_scale)).double()
    assert net(graph).frames.shape == (B, T, N, C)


def test_messages_see_positions(graph):
    net = HomogeneousGraph(SpaceConv(C, position_channels=36)).double()
    graph = GaussianPosition()(graph)
    assert not torch.allclose(net(graph).x, net(graph.with_attr(position=graph.position.roll(1, 0))).x)


CONVS = {
    "GCN": lambda: pyg.GCNConv(C, C),
    "GATv2": lambda: pyg.GATv2Conv(C, C),
    "GPS": lambda: pyg.GPSConv(C, pyg.GCNConv(C, C), heads=2, norm=None),
}


@pytest.mark.parametrize("name", CONVS)
def test_any_pyg_convolution_will_do(x, name):
    """Padding does not count, also where attention is global."""
    net, build = HomogeneousGraph(CONVS[name]()).double().eval(), GridGraph(C)
    padded = net(build(x, torch.tensor([2, 4])))
    padded.x.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    torch.testing.assert_close(padded.frames[:1, :2], net(build(x[:1, :2])).frames)


def test_streams_are_refused(net, graph):
    with pytest.raises(TypeError, match="Expected whole clips for HomogeneousGraph, which passes messages from later"):
        scan(net, graph)


def test_gradients_are_right(graph):
    net = HomogeneousGraph(SpaceConv(C), num_iterations=1).double()
    x = graph.x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net(graph.with_x(x)).x, x, fast_mode=True)


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 4])])
def test_it_compiles_into_one_graph(x, lengths):
    build, net, x = GridGraph(C), HomogeneousGraph(space()), x.float()

    def run(x):
        return net(build(x, lengths)).x

    torch._dynamo.reset()
    compiled = torch.compile(run, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), run(x), atol=1e-5, rtol=1e-4)


def test_bfloat16_autocast_stays_close_to_float32(x):
    net, graph = HomogeneousGraph(space()), GridGraph(C)(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(graph).x
    assert (y.float() - net(graph).x).norm() < 0.05 * net(graph).x.norm()


def test_wrong_input_is_a_clear_error(net, graph):
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got Tensor.; put a builder before"):
        net(graph.x)
    with pytest.raises(ValueError, match="Expected 'num_iterations' of at least 0 .got -1"):
        HomogeneousGraph(SpaceConv(C), num_iterations=-1)
    weighted = graph.with_attr(edge_weight=torch.ones(graph.num_edges))
    with pytest.raises(ValueError, match="Expected edges without attributes, .* .got edge_weight."):
        HomogeneousGraph(pyg.GCNConv(C, C)).double()(weighted)
    with pytest.raises(
        ValueError, match="Expected edges without attributes, .* .got adjacency.; leave ConnectAllPairs out"
    ):
        net(ConnectAllPairs()(graph))


def test_nodes_that_are_not_there_change_nothing(net, x):
    box = torch.rand(B, T, 3, 4, dtype=torch.float64) / 2 + 0.2
    lost = box.clone()
    lost[:, :, 1] = torch.nan
    graphs = BoxGraph(C, 3)(x, box=lost), BoxGraph(C, 2)(x, box=box[:, :, [0, 2]])
    got, want = (net(graph) for graph in graphs)
    torch.testing.assert_close(got.frames[:, :, [0, 2]], want.frames)
    torch.testing.assert_close(ToVector("mean")(got), ToVector("mean")(want))
