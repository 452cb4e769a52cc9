import copy

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.explain import AttentionExplainer, GNNExplainer

from pyg_video.backbones import SmallCNN
from pyg_video.data import VideoGraph
from pyg_video.functional import complete_edges, repeat_edges
from pyg_video.graph_builders import BoxGraph, ConnectInTime, GridGraph, connect_in_time
from pyg_video.inspection import explain, explain_graph
from pyg_video.layers import (
    RSTG,
    ConnectAllPairs,
    DenseSpaceConv,
    GraphBlock,
    HomogeneousGraph,
    SpaceConv,
    SpaceTimeConv,
    TemporalRNN,
    ToVector,
)
from pyg_video.models import GraphHead, VideoClassifier

C, T, N = 6, 4, 5
V = T * N
CONVS = {
    "GATv2": lambda: pyg.GATv2Conv(C, C),
    "GCN": lambda: pyg.GCNConv(C, C),
    "SAGE": lambda: pyg.SAGEConv(C, C),
    "dense": lambda: DenseSpaceConv(C),
    "sparse": lambda: SpaceConv(C),
}
FRAME, NODE = 2, 1  # of the planted cause


class Planted(nn.Module):
    """Class 1 if the first channel of one node of one frame is positive; the others hardly count."""

    def forward(self, graph):
        x = graph.frames[..., 0]  # [B, T, N]
        score = 5 * x[:, FRAME, NODE] + 0.01 * x.sum((1, 2))
        return torch.stack([-score, score], dim=1)


def graph(T=T, edge_index=None):
    edges = repeat_edges(complete_edges(N), N, T) if edge_index is None else edge_index
    clips = VideoGraph(torch.randn(T * N, C), edges, layout=(T, N), box=torch.rand(T * N, 4) / 2 + 0.2)
    return clips.loops_last()


def space_only(conv):
    return RSTG(conv, nn.Identity(), nn.Identity(), num_iterations=1)


def into(clips, node):
    return clips.edge_index[1] == node


def test_the_planted_cause_has_the_largest_mask():
    found = explain_graph(Planted(), graph())
    largest, second = found.node_mask.sort(descending=True).values[:2]
    assert found.node_mask.argmax() == FRAME * N + NODE
    assert largest > 2 * second
    assert found.frame_mask.argmax() == FRAME
    assert "edge_mask" not in found  # nothing passes messages


@pytest.mark.parametrize("conv", [lambda: pyg.SimpleConv(aggr="mean"), lambda: pyg.GATv2Conv(C, C)])
def test_the_edges_to_the_planted_cause_have_the_largest_masks(conv):
    found = explain_graph(nn.Sequential(space_only(conv()), Planted()), graph())
    assert found.frame_mask.argmax() == FRAME
    edges = into(found, FRAME * N + NODE)
    assert found.edge_mask[edges].max() > 2 * found.edge_mask[~edges].max()
    assert found.edge_index[1, found.edge_mask.topk(2).indices].tolist() == [FRAME * N + NODE] * 2


class Read(nn.Module):
    """The vector of one node of one frame."""

    def forward(self, graph):
        return graph.frames[:, FRAME, NODE]


@pytest.mark.parametrize("messages", [False, True])
def test_the_planted_cause_of_a_whole_model_is_found(messages):
    processor = space_only(pyg.GATv2Conv(C, C)) if messages else nn.Identity()
    head = GraphHead(C, 3, GridGraph(C, scales=(2, 1)), processor, readout=Read())
    model = VideoClassifier(SmallCNN(1, channels=(C,), strides=(2,)), head)
    found = explain(model, torch.rand(1, T, 1, 12, 12), 2)["head.builder"]
    frame, node = divmod(int(found.node_mask.argmax()), 5)
    assert frame == int(found.frame_mask.argmax()) == FRAME
    assert found.grid(found.node_mask)[0, [t for t in range(T) if t != FRAME]].max() == 0
    if not messages:
        assert node == NODE
        assert (found.node_mask > 0).sum() == 1
        return
    edges = into(found, FRAME * 5 + NODE)
    assert found.edge_mask[~edges].max() == 0
    assert found.edge_mask[edges].min() > 0


@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("loops", ["all", "none", "some"])
def test_masks_are_those_of_the_edges_of_the_graph(name, loops):
    """Whether a convolution adds loops or not."""
    frame = complete_edges(N, self_loops=loops == "all")
    if loops == "some":
        frame = torch.cat([frame, torch.tensor([[2, 3], [2, 3]])], dim=1)
    clips = graph(edge_index=repeat_edges(frame, N, T))
    found = explain_graph(space_only(CONVS[name]()), clips, 7, algorithm=GNNExplainer(epochs=3))
    assert torch.equal(found.edge_index, clips.edge_index)
    assert found.edge_mask[~into(found, 7)].abs().max() == 0
    between = into(found, 7) & (found.edge_index[0] != 7)
    assert (found.edge_mask[between] > 0).float().mean() > 0.5
    assert found.node_mask[~torch.isin(torch.arange(V), torch.arange(5, 10))].abs().max() == 0


@pytest.mark.parametrize("conv", [pyg.GATv2Conv, pyg.GATConv, pyg.GCNConv, pyg.SAGEConv])
@pytest.mark.parametrize("sender", [5, 2])
@pytest.mark.parametrize("kinds", [1, 2])
def test_the_only_message_has_the_only_mask(conv, sender, kinds):
    """All nodes are zero but one, in the frame of the one that is explained or in the frame before."""
    clips = graph()
    clips.x[torch.arange(V) != sender] = 0
    net = SpaceTimeConv(*(conv(C, C, bias=False) for _ in range(kinds)), connect=ConnectInTime("same_node"))
    found = explain_graph(net, clips, 7, algorithm=GNNExplainer(epochs=3))
    assert found.edge_index[:, found.edge_mask > 0].T.tolist() == [[sender, 7]]
    assert found.node_mask.nonzero().flatten().tolist() == [sender]


MODELS = {
    "recurrence": lambda conv: RSTG(conv(), TemporalRNN(C), TemporalRNN(C), num_iterations=2),
    "all pairs": lambda conv: nn.Sequential(ConnectAllPairs(), RSTG(SpaceConv(C), TemporalRNN(C), nn.Identity())),
    "all edges": lambda conv: nn.Sequential(ConnectInTime("complete"), SpaceTimeConv(on_edges(conv()))),
    "two kinds of edges": lambda conv: SpaceTimeConv(
        conv(), on_edges(conv()), connect=ConnectInTime("same_node", steps=2)
    ),
    "two layers": lambda conv: nn.Sequential(
        *(SpaceTimeConv(conv(), pyg.GATv2Conv(C, C), connect=ConnectInTime("knn")) for _ in range(2))
    ),
}


def on_edges(conv):
    return conv.sparse() if isinstance(conv, DenseSpaceConv) else conv


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("conv", CONVS)
def test_no_explanation_credits_the_future(name, conv):
    clips, node = graph(), N + 3  # of the second frame
    found = explain_graph(MODELS[name](CONVS[conv]), clips, node, algorithm=GNNExplainer(epochs=3))
    sent_in, received_in = found.edge_index // N
    assert found.edge_mask[(sent_in > 1) | (received_in > 1)].abs().max() == 0
    assert found.frame_mask[0, 2:].abs().max() == 0
    assert found.frame_mask[0, :2].min() > 0
    assert (found.edge_mask[received_in == 1] > 0).any()


def test_edges_in_time_are_credited_by_the_layer_that_has_them():
    clips, node = graph(), 2 * N + 3
    net = SpaceTimeConv(pyg.GATv2Conv(C, C), pyg.GATv2Conv(C, C), connect=ConnectInTime("same_node", steps=2))
    found = explain_graph(net, clips, node, algorithm=GNNExplainer(epochs=3))
    assert torch.equal(found.edge_index, connect_in_time(clips, steps=2).edge_index)
    credited = found.edge_index[:, found.edge_mask > 0]
    assert (credited[1] == node).all()
    of_time = {int(sender) // N for sender in credited[0] if sender % N == 3 and sender != node}
    assert of_time <= {0, 1}
    assert of_time


def test_attention_is_that_of_the_edges():
    clips = graph()
    model = space_only(DenseSpaceConv(C))
    found = explain_graph(model, clips, 7, algorithm=AttentionExplainer())
    sums = torch.zeros(V).index_add(0, found.edge_index[1], found.edge_mask)
    torch.testing.assert_close(sums, torch.ones(V))
    assert "node_mask" not in found
    assert "frame_mask" not in found


def classifier(**options):
    rstg = RSTG(DenseSpaceConv(C), TemporalRNN(C), TemporalRNN(C))
    blocks = {"stage1": GraphBlock(C, GridGraph(C, scales=(2,)), rstg, residual_scale=1.0)}
    head = GraphHead(C, 3, BoxGraph(C, 2), SpaceTimeConv(pyg.GCNConv(C, C), connect=ConnectInTime()), **options)
    return VideoClassifier(SmallCNN(1, channels=(C,), strides=(2,)), head, blocks=blocks)


def test_every_block_has_masks_of_its_own_and_the_model_stays_as_it_is():
    model = classifier(readout=ToVector("mean")).train()
    before = copy.deepcopy(model.state_dict())
    video, box = torch.rand(2, 3, 1, 12, 12), torch.rand(2, 3, 2, 4) / 2 + 0.2
    box[0, 1, 1] = torch.nan  # a box that is missing
    found = explain(model, video, torch.tensor([0, 2]), algorithm=GNNExplainer(epochs=3), box=box)
    assert list(found) == ["blocks.stage1.builder", "head.builder"]
    for graph, nodes in zip(found.values(), (4, 2), strict=True):
        assert graph.node_mask.shape == (2 * 3 * nodes,)
        assert graph.edge_mask.shape == (graph.num_edges,)
        assert graph.frame_mask.shape == (2, 3)
        assert ((graph.node_mask >= 0) & (graph.node_mask <= 1)).all()
        assert (graph.node_mask > 0).sum() > nodes
    assert found["head.builder"].edge_type.sum() > 0
    assert found["head.builder"].node_mask[3] == 0  # of the second frame of the first clip
    assert model.training
    torch.testing.assert_close(model.state_dict(), before)
    assert all(layer.explain is None and layer._edge_mask is None for layer in message_passing(model))
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def message_passing(model):
    return [part for part in model.modules() if isinstance(part, pyg.MessagePassing)]


def test_frames_keep_their_masks():
    found = explain_graph(space_only(CONVS["GATv2"]()), graph(), 7, algorithm=GNNExplainer(epochs=1))
    frame = found.frame(0, 1)
    assert torch.equal(frame.node_mask, found.node_mask[N : 2 * N])
    assert frame.edge_mask.shape == (frame.num_edges,)


def test_wrong_input_is_a_clear_error():
    clips, conv = graph(), space_only(CONVS["SAGE"]())
    with pytest.raises(ValueError, match="Expected 'model' with a GraphBuilder in it"):
        explain(conv, clips)
    with pytest.raises(ValueError, match="Expected a model that gives class scores .* .got VideoGraph.; use expl"):
        explain(GridGraph(C), torch.rand(1, 2, C, 6, 6))
    with pytest.raises(TypeError, match="Expected 'graph' to be a VideoGraph .got Tensor.; use explain for videos"):
        explain_graph(conv, torch.rand(3))
    for target in (None, 20, -1):
        with pytest.raises(ValueError, match=f"Expected 'target' as the number of a node below 20 .got {target}"):
            explain_graph(conv, clips, target)
    with pytest.raises(ValueError, match="Expected no 'target' for AttentionExplainer"):
        explain(
            classifier(), torch.rand(1, 2, 1, 12, 12), 1, algorithm=AttentionExplainer(), box=torch.rand(1, 2, 2, 4)
        )
    with pytest.raises(ValueError, match="Expected messages along .*, and make edges over time with Conn"):
        explain_graph(HomogeneousGraph(CONVS["SAGE"]()), clips, 7)
    for target in (2, -1, 0.5, torch.tensor([0, 1])):
        with pytest.raises(ValueError, match="Expected 'target' as a class below 2, for all clips or for each of 1"):
            explain_graph(nn.Sequential(conv, Planted()), clips, target)
    with pytest.raises(ValueError, match="AttentionExplainer: no layer behind this graph sends messages"):
        explain_graph(space_only(pyg.DenseSAGEConv(C, C)), clips, 7, algorithm=AttentionExplainer())
    two = SpaceTimeConv(CONVS["GATv2"](), CONVS["GATv2"](), connect=ConnectInTime())
    with pytest.raises(ValueError, match="Expected one convolution over all edges where attention is explained"):
        explain_graph(two, clips, 7, algorithm=AttentionExplainer())
    with pytest.raises(ValueError, match="Expected messages along the edges of the graph"):
        explain_graph(Elsewhere(), clips, 7)


class Elsewhere(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = pyg.SAGEConv(C, C)

    def forward(self, graph):
        return graph.with_x(self.conv(graph.x, torch.tensor([[0, 1], [19, 18]])))
