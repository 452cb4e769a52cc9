import pytest
import torch
from torch import nn

from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, ApplyToNodes, ConnectAllPairs, SpaceConv, TemporalRNN

C = 8


@pytest.fixture
def graph():
    return GridGraph(C, scales=(2, 1))(torch.randn(2, 3, C, 6, 6, dtype=torch.float64))


def test_all_pairs_keep_the_frames_apart_and_know_the_neighbours(graph):
    paired = ConnectAllPairs()(graph)
    assert torch.equal(paired.edge_index[0] // 5, paired.edge_index[1] // 5)
    assert paired.edge_index.unique(dim=1).size(1) == 6 * 25
    kept = paired.edge_index[:, paired.adjacency == 1]
    assert sorted(map(tuple, kept.T.tolist())) == sorted(map(tuple, graph.edge_index.T.tolist()))


@pytest.mark.parametrize("attention", ["dot", "multi_head", "additive", "mean"])
def test_strangers_take_part_with_logit_zero(graph, attention):
    """The released code: a dense softmax over all nodes of the logits times the 0/1 adjacency."""
    layer = SpaceConv(C, attention=attention, heads=2).double()
    for p in layer.parameters():
        nn.init.normal_(p)
    paired = ConnectAllPairs()(graph).frame(1, 2)
    _, (_, alpha) = layer(paired.x, paired.edge_index, adjacency=paired.adjacency, return_attention_weights=True)
    query, key = layer.attention.project(paired.x)
    adjacency = paired.adjacency.view(5, 5, 1)  # [receiver, sender]
    logits = layer.attention.logits(query[:, None], key[None])
    if attention == "additive":
        logits = nn.functional.leaky_relu((query[:, None] + key[None]) * adjacency, 0.2) + adjacency
    else:
        logits = logits * adjacency
    torch.testing.assert_close(alpha.view(5, 5, -1), logits.softmax(dim=1))


@pytest.mark.parametrize("attention", ["dot", "additive"])
def test_edges_that_are_all_there_give_the_papers_softmax(graph, attention):
    layer = SpaceConv(C, attention=attention).double()
    paired = ConnectAllPairs()(graph)
    whole = layer(paired.x, paired.edge_index, adjacency=torch.ones_like(paired.adjacency))
    torch.testing.assert_close(whole, layer(paired.x, paired.edge_index))


def test_a_space_stage_that_would_ignore_the_adjacency_is_refused(graph):
    from torch_geometric.nn import SAGEConv

    rstg = RSTG(SAGEConv(C, C), nn.Identity(), nn.Identity()).double()
    with pytest.raises(ValueError, match="takes 'adjacency'.*use SpaceConv, or a graph without 'adjacency'"):
        rstg(ConnectAllPairs()(graph))


def test_all_pairs_compile_into_one_graph(graph):
    model = nn.Sequential(ConnectAllPairs(), RSTG(SpaceConv(C), TemporalRNN(C), TemporalRNN(C))).double()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(graph).x, model(graph).x)


def test_a_module_on_the_nodes_leaves_the_rest_of_the_graph(graph):
    linear = nn.Linear(C, 4).double()
    wider = ApplyToNodes(linear)(graph)
    torch.testing.assert_close(wider.x, linear(graph.x))
    assert wider.edge_index is graph.edge_index
    assert wider.kernel is graph.kernel


def test_all_pairs_are_pairs_of_nodes_that_are_there(graph):
    mask = torch.rand(graph.num_nodes) > 0.3
    kept = mask[graph.edge_index].all(0)
    pairs = ConnectAllPairs()(graph.with_attr(mask=mask, edge_index=graph.edge_index[:, kept]))
    assert pairs.num_edges == int(graph.grid(mask).sum(2).square().sum())
    assert int(pairs.adjacency.sum()) == int(kept.sum())


def test_weights_of_edges_that_all_pairs_would_replace_are_refused(graph):
    with pytest.raises(
        ValueError, match=r"Expected edges without attributes.*\(got edge_weight\); leave ConnectAllPairs out"
    ):
        ConnectAllPairs()(graph.with_attr(edge_weight=torch.ones(graph.num_edges)))
