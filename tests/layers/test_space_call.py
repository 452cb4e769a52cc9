"""Convolutions of PyG as space stages: each gets what it needs, or is refused with the reason."""

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg

from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.layers import RSTG, DenseSpaceConv, FrameNorm, HomogeneousGraph, SpaceConv

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


WITHOUT_MASK = {
    "GCN": lambda: pyg.GCNConv(C, C),
    "GPS": lambda: pyg.GPSConv(C, pyg.GATv2Conv(C, C, edge_dim=3), heads=2),
    "PNA": lambda: pyg.PNAConv(C, C, ["mean"], ["identity"], torch.tensor([0, 1, 2]), edge_dim=3),
    "batch norm": lambda: pyg.GINEConv(nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C)), edge_dim=3),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layer", [RSTG, HomogeneousGraph])
@pytest.mark.parametrize("name", WITHOUT_MASK)
def test_nodes_that_are_not_there_are_nowhere_in_a_convolution(name, layer, training):
    """The second node of every frame is missing, and the third frame of the first clip is empty."""
    mask = torch.ones(V, dtype=torch.bool)
    mask[1::N] = mask[2 * N : 3 * N] = False
    clips = graph(mask=mask)
    inside = mask[clips.edge_index].all(dim=0)
    attr = {"edge_attr": torch.rand(V * N, 3, dtype=torch.float64)[inside]} if name != "GCN" and layer is RSTG else {}
    if not attr and name != "GCN":
        pytest.skip("edges over time have no features")
    clips = clips.with_attr(edge_index=clips.edge_index[:, inside], **attr)
    model = layer(WITHOUT_MASK[name](), *([] if layer is HomogeneousGraph else [nn.Identity()] * 2)).double()
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
