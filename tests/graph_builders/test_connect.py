import pytest
import torch
from torch import nn
from torch_geometric.utils import to_dense_adj

from pyg_video.data import Regions
from pyg_video.functional import box_kernel, complete_edges, knn_edges, overlap_edges
from pyg_video.graph_builders import AttentionEdges, CompleteEdges, Edges, GraphBuilder, GridGraph, NearestEdges
from pyg_video.graph_builders.connect import CONNECT
from pyg_video.layers import RSTG, SpaceConv, ToVector


class Given(GraphBuilder):
    """Boxes drawn once, some nodes missing where a mask is given."""

    def __init__(self, mask=None, **options):
        super().__init__(4, 5, **options)
        self.mask = mask

    def regions(self, x):
        B, T, _, H, W = x.shape
        generator = torch.Generator().manual_seed(3)
        box = torch.rand(B, T, 5, 4, generator=generator, dtype=x.dtype) / 2 + 0.1
        kernel = box_kernel(box, (H, W))
        return Regions(box, kernel, self.mask)


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 6, 5, dtype=torch.float64)


def pairs(edge_index):
    return set(map(tuple, edge_index.T.tolist()))


@pytest.mark.parametrize("name", CONNECT)
def test_edges_stay_within_their_frame(name, x):
    graph = Given(connect=name).double()(x)
    sender, receiver = graph.edge_index // 5
    assert torch.equal(sender, receiver)
    assert graph.num_edges > 0
    assert graph.validate(raise_on_error=True)


def test_every_rule_is_that_of_one_frame_in_every_frame(x):
    rules = {
        "complete": lambda box: complete_edges(5),
        "overlap": overlap_edges,
        "knn": lambda box: knn_edges(box[:, :2], 4),
    }
    for name, rule in rules.items():
        graph = Given(connect=name)(x)
        for b, t in [(0, 0), (1, 2)]:
            frame = graph.frame(b, t)
            assert pairs(frame.edge_index) == pairs(rule(frame.box))


def test_nodes_that_are_missing_have_no_edges(x):
    mask = torch.rand(2, 3, 5) > 0.5
    for name in CONNECT:
        graph = Given(mask, connect=name).double()(x)
        assert bool(graph.mask[graph.edge_index].all())
        if name == "attention":
            assert graph.edge_weight.shape == (graph.num_edges,)


def test_the_nearest_neighbours_are_those_that_are_there():
    pos = torch.tensor([[0.1, 0.5], [0.2, 0.5], [0.6, 0.5], [0.9, 0.5]])
    box = torch.cat([pos, torch.full((4, 2), 0.1)], dim=-1)[None, None]
    mask = torch.tensor([True, False, True, True])[None, None]
    edges = NearestEdges(1)(Regions(box, box, mask), torch.zeros(1, 1, 4, 2)).between(mask.flatten())
    assert pairs(edges.edge_index) == {(2, 0), (3, 2), (2, 3)}


def test_attention_keeps_the_pairs_above_the_threshold():
    rule = AttentionEdges(2, threshold=0.5)
    for linear in (rule.query, rule.key):
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    nodes = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]])[None, None]
    edges = rule(Regions(nodes, nodes), nodes)
    # Scores are dot products by the root of two: 1, 1, 0 / 1, 2, -1 / 0, -1, 1 by 1.414.
    assert pairs(edges.edge_index) == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)}
    weight = to_dense_adj(edges.edge_index, edge_attr=edges.edge_weight)[0]
    torch.testing.assert_close(weight[1, 1], torch.tensor(2 / 2**0.5 - 0.5).tanh())
    torch.testing.assert_close(weight[2, 2], torch.tensor(1 / 2**0.5 - 0.5).tanh())


def test_the_threshold_and_the_scores_learn_through_the_messages(x):
    torch.manual_seed(1)
    builder = Given(connect="attention").double()
    processor = RSTG(SpaceConv(4), nn.Identity(), nn.Identity(), num_iterations=1).double()
    ToVector()(processor(builder(x))).sum().backward()
    for name, parameter in builder.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_gradient_of_the_threshold_is_right(x):
    builder = Given(connect=AttentionEdges(4, threshold=0.0)).double()

    def loss(threshold):
        return torch.func.functional_call(builder, {"rule.threshold": threshold}, x).edge_weight.sum()

    assert torch.autograd.gradcheck(loss, torch.zeros((), dtype=torch.float64, requires_grad=True))


def test_an_overridden_connect_still_decides():
    class Chain(Given):
        def connect(self, regions):
            return torch.tensor([[0], [1]])

    assert Chain()(torch.randn(1, 1, 4, 6, 5)).edge_index.tolist() == [[0], [1]]


def test_a_rule_of_ones_own_is_a_module():
    class Loops(nn.Module):
        def forward(self, regions, nodes):
            return Edges(torch.arange(nodes.shape[:3].numel()).expand(2, -1))

    assert GridGraph(4, connect=Loops())(torch.randn(1, 2, 4, 6, 6)).has_self_loops()


def test_the_rule_replaces_the_grids_own_edges():
    assert GridGraph(4, connect=CompleteEdges())(torch.randn(1, 1, 4, 6, 6)).num_edges == 14 * 14


def test_wrong_rules_are_a_clear_error():
    with pytest.raises(ValueError, match="Expected 'connect' to be one of 'complete', 'overlap', 'knn', 'attention'"):
        Given(connect="all")
    with pytest.raises(ValueError, match="Expected one of 'edge_index' and 'connect'"):
        Given(connect="knn", edge_index=complete_edges(5))
    with pytest.raises(ValueError, match="Expected at least two nodes with connect='knn'"):
        GridGraph(4, 1, connect="knn")
    with pytest.raises(ValueError, match="Expected 'k' of at least 1"):
        NearestEdges(0)
    with pytest.raises(ValueError, match="Expected 'k' between 1 and the number of nodes - 1 = 4"):
        Given(connect=NearestEdges(5))(torch.randn(1, 1, 4, 6, 5))


def test_a_mask_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"Given.regions to give a mask of booleans \[1, 1, 5\] \(got \[5\]"):
        Given(torch.ones(5, dtype=torch.bool))(torch.randn(1, 1, 4, 6, 5))
