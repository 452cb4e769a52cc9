import pytest
import torch
from torch import nn

from pyg_video.functional import complete_edges
from pyg_video.graph_builders import GridGraph, RegionGraph
from pyg_video.inspection import MultiplyAdds, model_cost
from pyg_video.inspection.cost import as_defined
from pyg_video.layers import RSTG, GraphBlock, KernelEmbedding, SpaceConv, TemporalRNN, ToVector
from pyg_video.models import create_model, list_models

NAMES = ["cnn_sync_mnist", "dyreg_gnn_sync_mnist", "rstg_sync_mnist"]
TINY = {"num_classes": 5, "frame_size": 16, "channels": (4, 6), "strides": (2, 1)}
VIDEO = (3, 1, 16, 16)
B, T, C, H, W, N = 1, 3, 4, 5, 6, 14


def count(model, *shape):
    return model_cost(model, shape, runs=0).multiply_adds


class ApplyToNodes(nn.Module):
    """Gives a layer the pixels of a clip as nodes."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, video):
        nodes = video.flatten(-2).mT  # [B, T, N, C]
        if isinstance(self.layer, SpaceConv):
            return self.layer(nodes.flatten(0, 1), complete_edges(nodes.size(2)).to(video.device))
        return self.layer(nodes)


def test_a_convolution():
    model = nn.Sequential(nn.Flatten(0, 1), nn.Conv2d(4, 7, 3, stride=2, padding=1, bias=True))
    assert count(model, T, 4, 8, 6) == MultiplyAdds(T * 4 * 3 * 7 * 4 * 9, 0, 0)


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("lstm", 4)])
def test_a_recurrence(cell, gates):
    rnn = ApplyToNodes(TemporalRNN(4, 6, cell=cell))
    assert count(rnn, T, 4, 2, 5).total == T * 10 * gates * 6 * (4 + 6)


@pytest.mark.parametrize(("combine", "ends"), [("concat", 2), ("sum", 1)])
def test_a_space_stage(combine, ends):
    """Once a node: the message's first layer, query, key, update. Once an edge: the message's second layer."""
    nodes, edges = T * 10, T * 100
    conv = ApplyToNodes(SpaceConv(4, combine=combine, update_layers=1))
    assert count(conv, T, 4, 2, 5).total == (nodes * (ends + 2 + ends) + edges) * 4 * 4


def test_grids_predict_no_regions_and_pooling_belongs_to_the_graph():
    rstg = RSTG(nn.Identity(), nn.Identity(), TemporalRNN(C), num_iterations=0)
    model = nn.Sequential(GridGraph(C), rstg, ToVector(), nn.Linear(C, 9))
    assert count(model, T, C, H, W) == MultiplyAdds(C * 9, 0, T * N * C * (H * W) + T * N * 3 * C * 2 * C)


def test_regions_from_the_data_set_alone_cost_the_last_layer():
    builder = RegionGraph(C, size=(H, W), adapt="dataset", region_channels=8)
    assert count(builder, T, C, H, W) == MultiplyAdds(0, T * 9 * 8 * 4, T * 9 * C * H * W)


def test_a_block_with_all_that_is_in_it_is_no_backbone():
    block = GraphBlock(8, GridGraph(C), KernelEmbedding(C, (H, W)), node_channels=C)
    pixels = T * H * W
    graph = 2 * pixels * 8 * C + 2 * pixels * N * C + pixels * N * C  # project and back, pool and lift, embedding
    assert count(block, T, 8, H, W) == MultiplyAdds(0, 0, graph)


def test_all_named_models_are_counted():
    assert {name for name in NAMES if name in list_models()} == set(NAMES)
    for name in NAMES:
        cost = model_cost(create_model(name, **TINY), VIDEO, runs=0)
        assert cost.parameters == sum(p.numel() for p in create_model(name, **TINY).parameters())
        assert cost.multiply_adds.backbone > 0
        assert (cost.multiply_adds.graph > 0) == (name != "cnn_sync_mnist")
        assert (cost.multiply_adds.region_prediction > 0) == (name == "dyreg_gnn_sync_mnist")


@pytest.mark.parametrize("name", NAMES)
def test_parts_sum_to_the_total_of_the_counter(name):
    from torch.utils.flop_counter import FlopCounterMode

    model = as_defined(create_model(name, **TINY)).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, *VIDEO, device="meta"))
    parts = count(model, *VIDEO)
    assert parts.total == sum(parts) == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_frames_cost_twice_all_but_the_classifier(name):
    model = create_model(name, **TINY)
    classifier = model.head.linear.weight.numel()  # runs once a clip
    one, two = count(model, *VIDEO), count(model, 6, *VIDEO[1:])
    assert two.region_prediction == 2 * one.region_prediction
    assert two.graph == 2 * one.graph
    assert two.backbone - classifier == 2 * (one.backbone - classifier)


class EdgesByValue(nn.Module):
    """Keeps the edges that a mask says, as PyG's convolutions do to replace self-loops: how many, no shape tells."""

    def forward(self, graph):
        kept = graph.clone()
        kept.edge_index = graph.edge_index[:, graph.edge_index[0] != graph.edge_index[1]]
        return kept


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_edges_chosen_by_value_are_counted_as_well(cell):
    def model(*parts, edges):
        rstg = RSTG(SpaceConv(C), TemporalRNN(C, cell=cell), TemporalRNN(C, cell=cell), num_iterations=1)
        return nn.Sequential(RegionGraph(C, size=(H, W), edge_index=edges), *parts, rstg, ToVector())

    every = complete_edges(9)
    others = every[:, every[0] != every[1]]
    by_value, by_shape = model(EdgesByValue(), edges=every), model(edges=others)
    assert count(by_value, T, C, H, W) == count(by_shape, T, C, H, W)


def test_the_model_stays_as_it_is():
    model = create_model("dyreg_gnn_sync_mnist", **TINY).train()
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    model_cost(model, VIDEO, runs=1)
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model.training
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


def test_the_latency_says_how_it_was_taken():
    latency = model_cost(create_model("cnn_sync_mnist", **TINY), VIDEO, runs=3).latency
    assert 0 < latency.seconds < 1
    assert latency[1:] == (3, "cpu", torch.get_num_threads())
    assert model_cost(create_model("cnn_sync_mnist", **TINY), VIDEO, runs=0).latency is None


def test_the_latency_is_the_median_without_the_first_runs(monkeypatch):
    from pyg_video.inspection import cost

    clock = iter([0.0, 90.0, 0.0, 80.0, 0.0, 70.0, 0.0, 1.0, 0.0, 5.0, 0.0, 2.0])
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(clock))
    assert model_cost(nn.Flatten(), VIDEO, runs=3).latency.seconds == 2.0


def test_doubles_and_tied_weights():
    model = nn.Sequential(linear := nn.Linear(4, 4, bias=False), linear).double()
    cost = model_cost(model, (2, 3, 5, 4), runs=1)
    assert (cost.parameters, cost.multiply_adds.total) == (16, 2 * 30 * 16)


@pytest.mark.parametrize(("shape", "runs"), [((3, 1, 16), 1), ((3, 0, 16, 16), 1), (VIDEO, -1)])
def test_impossible_questions_are_refused(shape, runs):
    with pytest.raises(ValueError, match="Expected 'video_shape' as frames, channels, height and width"):
        model_cost(nn.Identity(), shape, runs=runs)
