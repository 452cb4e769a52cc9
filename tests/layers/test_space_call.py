"""Convolutions of PyG as space stages: each gets what it needs, or is refused with the reason."""

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.explain import AttentionExplainer, Explainer, GNNExplainer

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import ConnectInTime, GridGraph
from pyg_video.layers import RSTG, DenseSpaceConv, FrameNorm, HomogeneousGraph, SpaceConv, SpaceTimeConv, TemporalRNN

B, T, N, C = 2, 3, 4, 8
V = B * T * N


def graph(**attributes):
    edges = repeat_edges(complete_edges(N), N, B * T)
    x, box = torch.randn(V, C, dtype=torch.float64), torch.rand(V, 4, dtype=torch.float64)
    return VideoGraph(x, edges, layout=(T, N), box=box, **attributes)


def space_only(space, **options):
    return RSTG(space, nn.Identity(), nn.Identity(), **options).double().eval()


NEEDS = {
    "pos": lambda: pyg.PointNetConv(nn.Linear(C + 2, C)),
    "edge_attr": lambda: pyg.GPSConv(C, pyg.GATv2Conv(C, C, edge_dim=3), heads=2),
    "edge_type": lambda: pyg.RGCNConv(C, C, 2),
    "node_type": lambda: pyg.HEATConv(C, C, 2, 2, 3, 3, 3, concat=False),
}
GIVEN = {
    "pos": lambda: torch.rand(V, 2, dtype=torch.float64),
    "edge_attr": lambda: torch.rand(V * N, 3, dtype=torch.float64),
    "edge_type": lambda: torch.randint(2, (V * N,)),
    "node_type": lambda: torch.randint(2, (V,)),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_convolution_is_given_what_it_needs_of_the_graph(name):
    model = space_only(NEEDS[name]())
    names = (name, "edge_type", "edge_attr") if name == "node_type" else (name,)
    one = graph(**{key: GIVEN[key]() for key in names})
    other = one.with_attr(**{name: GIVEN[name]()})
    assert not torch.allclose(model(one).x, model(other).x)


def test_what_a_convolution_needs_and_the_graph_lacks_is_named():
    message = "what HEATConv needs .got none of node_type, edge_type.; set graph.with_attr.node_type="
    with pytest.raises(ValueError, match=message):
        space_only(NEEDS["node_type"]())(graph())


def test_the_nodes_before_the_first_iteration_stay_the_same():
    conv, clips = pyg.GCN2Conv(C, 0.1).double(), graph()
    first = conv(clips.x, clips.x, clips.edge_index)
    want = conv(first, clips.x, clips.edge_index)
    torch.testing.assert_close(space_only(conv, num_iterations=2)(clips).x, want)


def test_edges_are_given_by_name():
    class Swapped(nn.Module):
        def forward(self, x, pos, edge_index):
            return x + pos.sum() + torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])

    clips = graph()
    want = clips.x + clips.pos.sum() + clips.frames.sum(2, keepdim=True).expand(B, T, N, C).flatten(0, 2)
    torch.testing.assert_close(space_only(Swapped(), num_iterations=1)(clips).x, want)


def test_edges_may_have_another_name_or_none():
    class Named(nn.Module):
        def forward(self, x, edges):
            return x * edges.size(1)

    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.named = Named()

        def forward(self, *args):
            return self.named(*args)

    class WithoutEdges(nn.Module):  # finds its neighbours itself, as DynamicEdgeConv does
        def forward(self, x, batch=None):
            return x * (int(batch.max()) + 1)

    clips = graph()
    for space, factor in ((Named(), V * N), (Wrapper(), V * N), (WithoutEdges(), B * T)):
        torch.testing.assert_close(space_only(space, num_iterations=1)(clips).x, clips.x * factor)


@pytest.mark.parametrize(
    "space",
    [
        pyg.HypergraphConv(C, C),
        pyg.SignedConv(C, C // 2, first_aggr=True),
        pyg.DNAConv(C),
        pyg.WLConv(),
        pyg.MeshCNNConv(C, C),
        pyg.PANConv(C, C, 2),
    ],
    ids=lambda space: type(space).__name__,
)
def test_convolutions_of_something_else_are_refused(space):
    with pytest.raises(ValueError, match=f"space stage .x, edge_index. -> x .got {type(space).__name__}: "):
        space_only(space)(graph())


@pytest.mark.parametrize(
    "space",
    [
        pyg.GCNConv(C, C, cached=True),
        pyg.GPSConv(C, pyg.SGConv(C, C, cached=True), heads=2),
        pyg.Sequential("x, edge_index", [(pyg.APPNP(2, 0.1, cached=True), "x, edge_index -> x")]),
    ],
)
def test_caches_of_edges_are_refused(space):
    with pytest.raises(ValueError, match="computes its edges for every graph .got .*cached=True., which keeps"):
        space_only(space)(graph())


@pytest.mark.parametrize(
    "space",
    [pyg.GATConv(C, C), pyg.TransformerConv(C, C), pyg.GeneralConv(C, C), pyg.GPSConv(C, pyg.GATv2Conv(C, C), heads=2)],
    ids=lambda space: type(space).__name__,
)
def test_features_of_edges_that_would_be_ignored_are_refused(space):
    with pytest.raises(ValueError, match="that knows the size of 'edge_attr'"):
        space_only(space)(graph(edge_attr=GIVEN["edge_attr"]()))


@pytest.mark.parametrize(
    "conv",
    [pyg.GATv2Conv(C, C, edge_dim=5), pyg.CGConv(C), pyg.GENConv(C, C), pyg.GeneralConv(C, C, in_edge_channels=1)],
    ids=lambda conv: type(conv).__name__,
)
def test_features_of_edges_of_another_size_are_refused(conv):
    message = f"Expected a convolution for 'edge_attr' of size 3 .got {type(conv).__name__} [0158].; give its edge_dim"
    with pytest.raises(ValueError, match=message):
        space_only(conv)(graph(edge_attr=GIVEN["edge_attr"]()))


@pytest.mark.parametrize(
    ("space", "name"),
    [
        (lambda: pyg.GIN(C, C, 2, C), "edge_weight"),
        (lambda: pyg.GCN(C, C, 2, C), "edge_attr"),
        (lambda: pyg.GAT(C, C, 2, C), "edge_weight"),
        (lambda: pyg.FAConv(C), "edge_weight"),
        (lambda: pyg.GPSConv(C, None, heads=2), "edge_attr"),
        (lambda: pyg.GPSConv(C, None, heads=2), "edge_weight"),
    ],
)
def test_what_a_layer_names_and_then_ignores_is_refused(space, name):
    value = torch.rand(V * N, *((3,) if name == "edge_attr" else ()), dtype=torch.float64)
    with pytest.raises(ValueError, match=f"takes '{name}', since the graph has one"):
        space_only(space())(graph(**{name: value}))


def test_what_a_layer_needs_by_its_options_is_named():
    conv, weights = space_only(pyg.FAConv(C, normalize=False)), torch.rand(V * N, dtype=torch.float64)
    with pytest.raises(ValueError, match="what FAConv needs .got none of edge_weight"):
        conv(graph())
    assert not torch.allclose(conv(graph(edge_weight=weights)).x, conv(graph(edge_weight=weights * 2)).x)


def test_whole_networks_of_pyg_are_space_stages():
    one, model = graph(), space_only(pyg.GCN(C, C, 2, C, norm="GraphNorm"), num_iterations=1)
    weights = torch.rand(V * N, dtype=torch.float64)
    assert not torch.allclose(model(one).x, model(one.with_attr(edge_weight=weights)).x)
    frames = [model(VideoGraph(x, complete_edges(N), layout=(1, N))).x for x in one.frames.flatten(0, 1)]
    torch.testing.assert_close(model(one).x, torch.cat(frames))
    mask = torch.ones(V, dtype=torch.bool)
    mask[N : 2 * N] = False  # a frame without nodes
    torch.testing.assert_close(model(one.with_attr(mask=mask)).x[mask], model(one).x[mask])


def test_features_of_edges_without_a_taker_are_refused():
    with pytest.raises(ValueError, match="takes 'edge_attr', since the graph has one .got GCNConv"):
        space_only(pyg.GCNConv(C, C))(graph(edge_attr=GIVEN["edge_attr"]()))
    for conv in (SpaceConv(C), DenseSpaceConv(C)):
        with pytest.raises(ValueError, match="Expected edges with edge_dim = 0 features in 'edge_attr' .got 3"):
            space_only(conv)(graph(edge_attr=GIVEN["edge_attr"]()))


@pytest.mark.parametrize("edge_dim", [1, 3])
@pytest.mark.parametrize("norm", [None, FrameNorm])
def test_messages_see_the_features_of_edges_sparse_and_dense_alike(edge_dim, norm):
    options = {"edge_dim": edge_dim, "message_norm": norm and norm(C)}
    sparse, dense = SpaceConv(C, **options), DenseSpaceConv(C, **options)
    dense.load_state_dict(sparse.state_dict())
    attr = torch.rand(V * N, edge_dim, dtype=torch.float64)
    clips = graph(edge_attr=attr.squeeze(-1))
    got = space_only(dense)(clips).x
    torch.testing.assert_close(got, space_only(sparse)(clips).x)
    torch.testing.assert_close(got, space_only(dense.sparse())(clips).x)
    assert not torch.allclose(got, space_only(dense)(clips.with_attr(edge_attr=attr.squeeze(-1).flip(0))).x)


def test_the_features_of_an_edge_enter_the_first_layer():
    conv = SpaceConv(C, edge_dim=2, combine="sum", send_layers=1, attention="mean", plain_gather=True, update_layers=0)
    x, edge_attr, edges = torch.randn(N, C), torch.randn(N * N, 2), complete_edges(N)
    m = (conv.send(x[edges[0]] + x[edges[1]]) + conv.send_edge(edge_attr)).relu()
    torch.testing.assert_close(conv(x, edges, edge_attr=edge_attr), x + m.view(N, N, C).mean(1))


def with_batch_norm():
    return nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C))


IN_FRAMES = {  # with features of edges
    "GPS": lambda: pyg.GPSConv(C, pyg.GATv2Conv(C, C, edge_dim=3), heads=2),
    "PNA": lambda: pyg.PNAConv(C, C, ["mean"], ["identity"], torch.tensor([0, 1, 2]), edge_dim=3),
    "GINE, batch norm": lambda: pyg.GINEConv(with_batch_norm(), edge_dim=3),
}
IN_CLIPS = {
    "GCN": lambda: pyg.GCNConv(C, C),
    "GPS": lambda: pyg.GPSConv(C, pyg.GATv2Conv(C, C), heads=2),
    "GIN, batch norm": lambda: pyg.GINConv(with_batch_norm()),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "conv",
    [
        lambda: pyg.ChebConv(C, C, 2),
        lambda: pyg.FeaStConv(C, C),
        lambda: pyg.SuperGATConv(C, C),
        lambda: pyg.GPSConv(C, pyg.SAGEConv(C, C), heads=2),
        lambda: pyg.GCN(C, C, 2, C),
    ],
)
def test_clips_without_any_node_become_zeros(conv, training):
    """As where a detector finds nothing."""
    empty = graph(mask=torch.zeros(V, dtype=torch.bool)).with_attr(edge_index=torch.empty(2, 0, dtype=torch.long))
    empty.x.requires_grad_()
    y = space_only(conv()).train(training)(empty).x
    y.sum().backward()
    assert not y.any()
    assert not empty.x.grad.any()
    assert not HomogeneousGraph(conv()).double().train(training)(empty).x.any()
    assert not SpaceTimeConv(conv(), connect=ConnectInTime()).double().eval()(empty).x.any()


@pytest.mark.parametrize("width", [C // 2, 2 * C])
@pytest.mark.parametrize(
    "conv",
    [lambda D: pyg.ChebConv(C, D, 2), lambda D: pyg.FeaStConv(C, D), lambda D: pyg.SuperGATConv(C, D // 2, heads=2)],
)
def test_clips_without_any_node_get_the_width_of_the_convolution(conv, width):
    empty = graph(mask=torch.zeros(V, dtype=torch.bool)).with_attr(edge_index=torch.empty(2, 0, dtype=torch.long))
    layer = SpaceTimeConv(conv(width), connect=ConnectInTime()).double().eval()
    assert layer(empty).x.shape == layer(graph()).x.shape == (V, width)
    assert not layer(empty).x.any()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("over_time", "name"), [(False, name) for name in IN_FRAMES] + [(True, name) for name in IN_CLIPS]
)
def test_nodes_that_are_not_there_are_nowhere_in_a_convolution(over_time, name, training):
    """The second node of every frame is missing, and the third frame of the first clip is empty."""
    mask = torch.ones(V, dtype=torch.bool)
    mask[1::N] = mask[2 * N : 3 * N] = False
    clips = graph(mask=mask)
    inside = mask[clips.edge_index].all(dim=0)
    clips = clips.with_attr(edge_index=clips.edge_index[:, inside])
    if over_time:
        model = HomogeneousGraph(IN_CLIPS[name]()).double()
    else:
        clips = clips.with_attr(edge_attr=torch.rand(clips.num_edges, 3, dtype=torch.float64))
        model = space_only(IN_FRAMES[name]())
    model.train(training)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    clips.x.requires_grad_()
    got = model(clips).x
    got[mask].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert clips.x.grad[~mask].abs().max() == 0
    after = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    noise = clips.with_x(torch.where(mask[:, None], clips.x.detach(), 1e3 * torch.randn(V, C, dtype=torch.float64)))
    torch.testing.assert_close(model(noise).x[mask], got[mask])
    torch.testing.assert_close(model.state_dict(), after)


class Explained(nn.Module):
    """A processor as PyG's explainers call a model."""

    def __init__(self, processor):
        super().__init__()
        self.processor = processor

    def forward(self, x, edge_index, *, graph):
        return self.processor(graph.with_attr(x=x, edge_index=edge_index)).x


def credited(processor, clips, node, algorithm=None):
    """Edges that an explanation of a node names."""
    algorithm = GNNExplainer(epochs=2) if algorithm is None else algorithm
    explainer = Explainer(
        Explained(processor),
        algorithm,
        explanation_type="model",
        node_mask_type="attributes" if isinstance(algorithm, GNNExplainer) else None,
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    return explainer(clips.x, clips.edge_index, graph=clips, index=node).edge_mask


CONVS = {
    "SpaceConv": lambda: SpaceConv(C, message_norm=FrameNorm(C)),
    "GCN": lambda: pyg.GCNConv(C, C),
    "GAT": lambda: pyg.GATConv(C, C),
    "GATv2": lambda: pyg.GATv2Conv(C, C),
    "GATv2 without loops": lambda: pyg.GATv2Conv(C, C, add_self_loops=False),
    "Transformer": lambda: pyg.TransformerConv(C, C),
    "GIN": lambda: pyg.GINConv(nn.Linear(C, C)),
    "SAGE": lambda: pyg.SAGEConv(C, C),
    "SuperGAT": lambda: pyg.SuperGATConv(C, C),
    "FeaSt": lambda: pyg.FeaStConv(C, C),
    "Cheb": lambda: pyg.ChebConv(C, C, 2),
    "ARMA": lambda: pyg.ARMAConv(C, C),
    "GPS": lambda: pyg.GPSConv(C, pyg.GATv2Conv(C, C), heads=2, norm=None),
}
BUILT = {
    "complete": {"connect": "complete"},
    "overlap": {},
    "some loops": {"edge_index": torch.tensor([[0, 1, 1, 2, 0, 1], [0, 0, 1, 1, 2, 2]])},
}


def built(name, lengths=None):
    options = BUILT[name]
    num_nodes = 3 if name == "some loops" else N
    builder = GridGraph(C, (1, num_nodes), **options)
    return builder(torch.randn(1, T, C, 6, 12, dtype=torch.float64), lengths)


@pytest.mark.parametrize("built_by", BUILT)
@pytest.mark.parametrize("name", CONVS)
def test_an_explanation_names_edges_of_the_node_and_none_of_the_future(name, built_by):
    clips = built(built_by)
    num_nodes, frame = clips.frame_layout[1], clips.edge_index[1] // clips.frame_layout[1]
    node = num_nodes + 1  # of the second frame
    single = credited(space_only(CONVS[name](), num_iterations=1), clips, node)
    assert single[clips.edge_index[1] != node].abs().max() == 0
    assert (single > 0).any()
    time = [TemporalRNN(C), nn.Identity()]
    over_time = credited(RSTG(CONVS[name](), *time, num_iterations=2).double().eval(), clips, node)
    assert over_time[frame > 1].abs().max() == 0
    assert over_time[frame == 1].max() > 0
    assert over_time[frame == 0].max() > 0


@pytest.mark.parametrize("name", ["SpaceConv", "GAT", "GATv2", "GATv2 without loops", "Transformer"])
@pytest.mark.parametrize("built_by", ["complete", "overlap"])
def test_attention_is_that_of_the_edges(name, built_by):
    clips, model = built(built_by), space_only(CONVS[name](), num_iterations=1)
    alpha = credited(model, clips, None, AttentionExplainer())
    weights = {}
    handle = model.space.register_message_forward_hook(
        lambda module, args, y: weights.update(alpha=args[0]["alpha"].mean(-1) if "alpha" in args[0] else module._alpha)
    )
    model(clips)
    handle.remove()
    sums = torch.zeros(clips.num_nodes, dtype=torch.float64).index_add(0, clips.edge_index[1], alpha)
    if weights["alpha"].size(0) == clips.num_edges:  # no loops beside those of the graph
        torch.testing.assert_close(sums, torch.ones_like(sums))
    else:
        assert sums.max() < 1


def test_loops_in_between_are_refused_under_an_explainer():
    clips, model = graph(), space_only(pyg.GATv2Conv(C, C), num_iterations=1)
    with pytest.raises(ValueError, match="Expected self-loops behind the other edges .*; use graph.loops_last"):
        credited(model, clips, 5)
    mask = credited(model, clips.loops_last(), 5)
    assert mask[clips.loops_last().edge_index[1] != 5].abs().max() == 0
    with pytest.raises(ValueError, match="self-loops of all nodes or of none where attention is explained"):
        credited(model, built("some loops"), None, AttentionExplainer())


def test_edges_that_the_graph_has_not_are_refused_under_an_explainer():
    clips = built("overlap")
    for space in (pyg.GATv2Conv(C, C), SpaceConv(C)):
        with pytest.raises(
            ValueError, match="Expected the edges of the graph alone under an explainer .got edges over"
        ):
            credited(HomogeneousGraph(space).double(), clips, 5)
    padded = built("complete", torch.tensor([2]))
    with pytest.raises(ValueError, match="Expected the edges of the graph alone under an explainer"):
        credited(space_only(pyg.GATv2Conv(C, C)), padded, 5)


def test_loops_that_stand_last_keep_what_belongs_to_them():
    clips = graph(edge_attr=torch.rand(V * N, 3, dtype=torch.float64))
    other = clips.loops_last()
    conv = space_only(SpaceConv(C, edge_dim=3))
    torch.testing.assert_close(conv(other).x, conv(clips).x)
    assert (other.edge_index[0] == other.edge_index[1])[-V:].all()
    assert torch.equal(other.edge_index[0, -V:], torch.arange(V))
