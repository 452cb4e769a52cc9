import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.loader import DataLoader

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import BoxGraph, ConnectInTime, GridGraph, connect_in_time
from pyg_video.layers import (
    RSTG,
    ApplyToNodes,
    DenseSpaceConv,
    FrameNorm,
    HomogeneousGraph,
    SpaceConv,
    SpaceTimeConv,
    ToVector,
    reset_state,
    scan,
)
from pyg_video.layers.space_time import LOOKS_AHEAD

C, B, T, N = 8, 2, 6, 4
FRAME = torch.tensor([[0, 1, 2, 3, 0], [1, 0, 1, 2, 3]])
CONVS = {
    "one GATv2": lambda **o: SpaceTimeConv(pyg.GATv2Conv(C, C), **o),
    "two GATv2": lambda **o: SpaceTimeConv(pyg.GATv2Conv(C, C), pyg.GATv2Conv(C, C), **o),
    "GCN": lambda **o: SpaceTimeConv(pyg.GCNConv(C, C), **o),
    "GCN and SAGE": lambda **o: SpaceTimeConv(pyg.GCNConv(C, C), pyg.SAGEConv(C, C), **o),
    "relations": lambda **o: SpaceTimeConv(pyg.RGCNConv(C, C, 2), **o),
    "three hops": lambda **o: SpaceTimeConv(pyg.TAGConv(C, C), **o),
    "SpaceConv": lambda **o: SpaceTimeConv(
        SpaceConv(C, message_norm=FrameNorm(C), update_norm=FrameNorm(C)), SpaceConv(C, attention="additive"), **o
    ),
    "dense and sparse": lambda **o: SpaceTimeConv(DenseSpaceConv(C), SpaceConv(C), **o),
    "wider": lambda **o: SpaceTimeConv(pyg.SAGEConv(C, 2 * C), pyg.SAGEConv(C, 2 * C), **o),
}
RULES = {
    "same_node": {},
    "complete": {"steps": 2},
    "overlap": {"steps": 2},
    "knn": {"steps": 3},
    "track": {"steps": 2},
}
every_conv = pytest.mark.parametrize("conv", CONVS)
every_rule = pytest.mark.parametrize("rule", RULES)


def make(conv, rule, **options):
    return CONVS[conv](connect=ConnectInTime(rule, **{**RULES[rule], **options})).double().eval()


def clips(num_clips=B, num_frames=T, edge_weight=False, **attributes):
    """Nodes that move, with tracks that come and go."""
    V, generator = num_clips * num_frames * N, torch.Generator().manual_seed(3)
    edges = repeat_edges(FRAME, N, num_clips * num_frames)
    if edge_weight:
        attributes["edge_weight"] = torch.rand(edges.size(1), generator=generator, dtype=torch.float64)
    return VideoGraph(
        torch.randn(V, C, generator=generator, dtype=torch.float64),
        edges,
        layout=(num_frames, N),
        box=torch.rand(V, 4, generator=generator, dtype=torch.float64) / 2 + 0.2,
        track=torch.randint(-1, 3, (V,), generator=generator),
        **attributes,
    )


def part(graph, frames, which=slice(None)):
    """Some frames of some clips, made anew."""
    nodes = {key: graph.grid(graph[key])[which, frames] for key in ("x", "box", "track", "mask") if key in graph}
    edges = {}
    num_clips, num_frames = nodes["x"].shape[:2]
    if "edge_weight" in graph:
        edges["edge_weight"] = graph.edge_weight.view(-1, graph.num_frames, 5)[which, frames].flatten()
    lengths = {"lengths": graph.lengths[which].clamp(max=num_frames)} if "lengths" in graph else {}
    return VideoGraph(
        edge_index=repeat_edges(FRAME, N, num_clips * num_frames),
        layout=(num_frames, N),
        **{key: value.flatten(0, 2) for key, value in nodes.items()},
        **edges,
        **lengths,
    )


def stream(net, graph, sizes):
    outputs, state, first = [], None, 0
    for size in sizes:
        y, state = scan(net, part(graph, slice(first, first + size)), state)
        outputs.append(y.frames)
        first += size
    return torch.cat(outputs, dim=1)


def test_two_convolutions_are_summed_over_their_edges():
    space, time = pyg.SAGEConv(C, C).double(), pyg.GCNConv(C, C).double()
    graph = connect_in_time(clips(), "knn", steps=2)
    of_space, of_time = (graph.edge_index[:, graph.edge_type == kind] for kind in (0, 1))
    want = space(graph.x, of_space) + time(graph.x, of_time)
    torch.testing.assert_close(SpaceTimeConv(space, time)(graph).x, want)


def test_one_convolution_takes_all_edges_and_their_kinds():
    graph = connect_in_time(clips())
    gat, relations = pyg.GATv2Conv(C, C).double(), pyg.RGCNConv(C, C, 2).double()
    torch.testing.assert_close(SpaceTimeConv(gat)(graph).x, gat(graph.x, graph.edge_index))
    want = relations(graph.x, graph.edge_index, graph.edge_type)
    torch.testing.assert_close(SpaceTimeConv(relations)(graph).x, want)


def test_without_edges_in_time_it_is_a_space_stage():
    conv = SpaceConv(C, update_norm=FrameNorm(C)).double()
    want = RSTG(conv, nn.Identity(), nn.Identity(), num_iterations=1)(clips()).x
    torch.testing.assert_close(SpaceTimeConv(conv)(clips()).x, want)


def test_both_ways_to_the_same_node_it_is_the_homogeneous_graph():
    conv = SpaceConv(C).double()
    net = SpaceTimeConv(conv, connect=ConnectInTime("same_node", causal=False))
    torch.testing.assert_close(net(net(clips())).x, HomogeneousGraph(conv, num_iterations=2)(clips()).x)


@pytest.mark.parametrize("rule", ["same_node", "knn", "track"])
@every_conv
def test_no_frame_sees_a_later_one(conv, rule):
    """Nor whether there is one."""
    net, graph = make(conv, rule), clips()
    whole = net(graph).frames
    for t in (1, 4):
        torch.testing.assert_close(net(part(graph, slice(t))).frames, whole[:, :t])
        later = graph.grid(graph.x).clone()
        later[:, t:] += 1
        torch.testing.assert_close(net(graph.with_x(later.flatten(0, 2))).frames[:, :t], whole[:, :t])
        assert not torch.allclose(net(graph.with_x(later.flatten(0, 2))).frames[:, t:], whole[:, t:])


@pytest.mark.parametrize("rule", ["same_node", "knn"])
def test_an_earlier_frame_is_seen(rule):
    net, graph = make("two GATv2", rule, steps=2), clips()
    earlier = graph.frames.clone()
    earlier[:, 1] += 1
    changed = (net(graph.with_x(earlier.flatten(0, 2))).frames - net(graph).frames).abs().amax((0, 2, 3)) > 1e-9
    assert changed.tolist() == [False, True, True, True, False, False]


@every_conv
@every_rule
def test_a_clip_in_pieces_equals_the_clip_whole(conv, rule):
    net, graph = make(conv, rule), clips()
    torch.testing.assert_close(stream(net, graph, (1, 2, 3)), net(graph).frames)


@every_conv
def test_frame_by_frame_equals_the_clip_whole(conv):
    net, graph = make(conv, "same_node"), clips(num_frames=9)
    torch.testing.assert_close(stream(net, graph, (1,) * 9), net(graph).frames)


@pytest.mark.parametrize("conv", ["one GATv2", "GCN", "SpaceConv"])
def test_a_clip_with_nodes_missing_and_weighted_edges_in_pieces_equals_the_clip_whole(conv):
    graph = clips(mask=torch.rand(B * T * N) > 0.3, edge_weight=conv in ("GCN", "SpaceConv"))
    net = make(conv, "knn")
    present = graph.grid(graph.mask)
    torch.testing.assert_close(stream(net, graph, (1, 3, 2))[present], net(graph).frames[present])


def test_layers_in_sequence_stream_each_with_its_memory():
    connect = ConnectInTime("overlap", steps=2)
    layers = [SpaceTimeConv(pyg.GCNConv(C, C), pyg.GATv2Conv(C, C), connect=connect) for _ in range(3)]
    net = nn.Sequential(layers[0], ApplyToNodes(nn.ReLU()), *layers[1:]).double()
    torch.testing.assert_close(stream(net, clips(), (1, 2, 1, 2)), net(clips()).frames)


def test_a_stream_may_start_again():
    net, graph = make("GCN", "complete"), clips()
    _, state = scan(net, part(graph, slice(3)))
    y, _ = scan(net, part(graph, slice(3, 6)), reset_state(state, [1]))
    torch.testing.assert_close(y.frames[:1], net(graph).frames[:1, 3:])
    torch.testing.assert_close(y.frames[1:], net(part(graph, slice(3, 6), slice(1, 2))).frames)


def test_a_state_does_not_grow():
    net, graph = make("three hops", "same_node"), clips()
    _, state = scan(net, part(graph, slice(2)))
    _, later = scan(net, part(graph, slice(2, 6)), state)
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in later.items()}
    assert state["x"].shape == (B, 4, N, C)  # steps * (hops + 1) frames


@every_conv
def test_two_clips_in_a_batch_equal_the_clips_alone(conv):
    net, graph = make(conv, "knn"), clips()
    alone = torch.cat([net(part(graph, slice(None), slice(b, b + 1))).frames for b in range(B)])
    torch.testing.assert_close(net(graph).frames, alone)


@every_conv
def test_clips_of_different_length_in_a_batch_equal_the_clips_alone(conv):
    net, graph = make(conv, "overlap"), clips()
    short, long = part(graph, slice(4), slice(0, 1)), part(graph, slice(None), slice(1, 2))
    batch = next(iter(DataLoader([short, long], batch_size=2)))
    torch.testing.assert_close(net(batch).x, torch.cat([net(short).x, net(long).x]))
    padded = graph.with_attr(lengths=torch.tensor([4, 6]))
    torch.testing.assert_close(net(padded).frames[0, :4], net(short).frames[0])
    torch.testing.assert_close(net(padded).frames[1:], net(long).frames)


def test_boxes_that_are_missing_change_nothing():
    x, box = torch.randn(B, T, C, 6, 6, dtype=torch.float64), torch.rand(B, T, 3, 4, dtype=torch.float64) / 2 + 0.2
    lost = box.clone()
    lost[:, :, 1] = torch.nan
    net = make("two GATv2", "knn")
    got, want = net(BoxGraph(C, 3)(x, box=lost)), net(BoxGraph(C, 2)(x, box=box[:, :, [0, 2]]))
    torch.testing.assert_close(got.frames[:, :, [0, 2]], want.frames)


@every_conv
def test_renumbered_nodes_give_renumbered_results(conv):
    net, graph = make(conv, "knn"), clips()
    place = torch.arange(B * T * N).view(-1, N)[:, torch.randperm(N)].flatten()
    nodes = {key: graph[key][place] for key in ("x", "box", "track", "pos")}
    other = graph.with_attr(**nodes, edge_index=place.argsort()[graph.edge_index])
    torch.testing.assert_close(net(other).x, net(graph).x[place])


@every_conv
def test_gradients_are_right(conv):
    net, graph = make(conv, "knn"), clips(1, 3)
    x = graph.x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net(graph.with_x(x)).x, x, fast_mode=True)
    net(graph.with_x(x)).x.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_gradients_reach_back_through_a_stream():
    net, graph = make("GCN", "same_node"), clips()
    first = part(graph, slice(2))
    first.x.requires_grad_()
    _, state = scan(net, first)
    y, _ = scan(net, part(graph, slice(2, 3)), state)
    y.x.sum().backward()
    assert (first.grid(first.x.grad).abs().amax((0, 2, 3)) > 0).tolist() == [False, True]


@pytest.mark.parametrize("name", ["ChebConv", "DirGNNConv"])
def test_convolutions_that_look_ahead_are_refused_in_a_stream_with_reason(name):
    conv = pyg.ChebConv(C, C, 2) if name == "ChebConv" else pyg.DirGNNConv(pyg.SAGEConv(C, C))
    net, graph = SpaceTimeConv(conv, connect=ConnectInTime()).double(), clips()
    assert not torch.allclose(net(part(graph, slice(4))).frames, net(graph).frames[:, :4])
    with pytest.raises(TypeError, match=f"Expected a convolution that looks back only .got {name}: it"):
        scan(net, graph)
    assert {kind.__name__ for kind in LOOKS_AHEAD} == {"ChebConv", "DirGNNConv"}


def test_bfloat16_autocast_stays_close_to_float32():
    net = SpaceTimeConv(pyg.SAGEConv(C, C), SpaceConv(C), connect=ConnectInTime())
    graph = clips().apply(lambda value: value.float() if value.is_floating_point() else value)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(graph).x
    assert (y.float() - net(graph).x).norm() < 0.05 * net(graph).x.norm()


def test_it_runs_in_a_model_from_maps_to_scores():
    net = nn.Sequential(GridGraph(C), CONVS["wider"](connect=ConnectInTime()), ToVector("mean"), nn.Linear(2 * C, 3))
    x = torch.randn(B, T, C, 6, 6)
    outputs, state = [], None
    for chunk in x.split(2, dim=1):
        y, state = scan(net, chunk, state)
        outputs.append(y)
    torch.testing.assert_close(outputs[-1], net(x), atol=1e-5, rtol=1e-4)


def test_wrong_input_is_a_clear_error():
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got Tensor"):
        SpaceTimeConv(pyg.GCNConv(C, C))(torch.zeros(3))
    with pytest.raises(ValueError, match="Expected 'hops' of at least 1 .got 0"):
        SpaceTimeConv(pyg.GCNConv(C, C), hops=0)
    for parts in ((DenseSpaceConv(C),), (pyg.GCNConv(C, C), DenseSpaceConv(C))):
        with pytest.raises(ValueError, match="Expected a convolution on edges for those between frames .got DenseSp"):
            SpaceTimeConv(*parts)
    with pytest.raises(TypeError, match="Expected 'connect' to make edges that go forward .* .got none"):
        scan(SpaceTimeConv(pyg.GCNConv(C, C)), clips())
    with pytest.raises(
        TypeError, match="Expected 'connect' to make .* .got ConnectInTime.'same_node', steps=1, causal"
    ):
        scan(SpaceTimeConv(pyg.GCNConv(C, C), connect=ConnectInTime(causal=False)), clips())
    twice = clips().with_attr(edge_index=clips().edge_index.repeat(1, 2))
    with pytest.raises(ValueError, match="Expected at most one edge from a node to another, in a stream"):
        scan(make("GCN", "same_node"), twice)
    with pytest.raises(ValueError, match="Expected edges without attributes"):
        make("GCN", "same_node")(connect_in_time(clips()))
    with pytest.raises(ValueError, match=r"Expected a space stage that gives 48 rows .got \[2, 8\]"):
        SpaceTimeConv(Pooled())(connect_in_time(clips()))


class Pooled(nn.Module):
    def forward(self, x, edge_index):
        return x[:2]


class Nodes(nn.Module):
    """A model of nodes as a grid, every node of a frame connected with every other."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        B, T, N, _ = x.shape
        edges = repeat_edges(complete_edges(N), N, B * T)
        return self.model(VideoGraph(x.flatten(0, 2), edges, layout=(T, N))).frames


def test_edges_in_time_are_exported_for_any_batch():
    conv = SpaceTimeConv(pyg.GATv2Conv(4, 4), pyg.SAGEConv(4, 4), connect=ConnectInTime("same_node"))
    net, x = Nodes(conv).eval(), torch.rand(2, 3, 2, 4)
    batch = torch.export.Dim("batch", min=1, max=8)
    with torch.no_grad():
        program = torch.export.export(net, (x,), dynamic_shapes={"x": {0: batch}})
        more = torch.rand(5, 3, 2, 4)
        torch.testing.assert_close(program.module()(more), net(more))
    assert not [node for node in program.graph.nodes if str(node.target) == "aten.sort.stable"]  # which ONNX lacks
