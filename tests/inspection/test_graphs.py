from contextlib import nullcontext

import pytest
import torch

from pyg_video.inspection import capture_graphs, capture_maps, find_graphs, model_regions
from pyg_video.layers import scan
from pyg_video.models import create_model

TINY = {"num_classes": 4, "frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}


@pytest.mark.parametrize(("output", "name"), [("map", "blocks.stage2.builder"), ("vector", "head.builder")])
def test_the_graph_of_every_builder_comes_back_as_data(output, name):
    model = create_model("dyreg_gnn_sync_mnist", **TINY, output=output, gain=1.0).eval()
    video = torch.rand(2, 3, 1, 14, 14)
    graphs = find_graphs(model, video)
    assert list(graphs) == [name]
    x = model.backbone(video.flatten(0, 1)).unflatten(0, (2, 3))
    want = model.get_submodule(name).regions(x)
    graph = graphs[name]
    torch.testing.assert_close(graph.grid(graph.box), want.box)
    torch.testing.assert_close(graph.grid(graph.kernel), want.kernel)


@pytest.mark.parametrize("look", [find_graphs, model_regions])
@pytest.mark.parametrize("channels", [1, 5])  # five end in an error
def test_nothing_stays_on_the_model(look, channels):
    model = create_model("dyreg_gnn_sync_mnist", **TINY, gain=1.0).eval()
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    with nullcontext() if channels == 1 else pytest.raises(ValueError, match="Expected 'video' of shape"):
        look(model, torch.rand(1, 2, channels, 14, 14))
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_graphs_of_a_stream_are_captured_as_well():
    model = create_model("dyreg_gnn_sync_mnist", **TINY, gain=1.0).eval()
    video, state = torch.rand(2, 3, 1, 14, 14), None
    (whole,) = find_graphs(model, video).values()
    for t in range(3):
        with torch.no_grad(), capture_graphs(model) as outer, capture_graphs(model) as graphs:
            _, state = scan(model, video[:, t : t + 1], state)
        (graph,) = graphs.values()
        torch.testing.assert_close(graph.grid(graph.box), whole.grid(whole.box)[:, t : t + 1])
        assert outer.keys() == graphs.keys()
    assert not any("scan" in vars(module) for module in model.modules())


def test_captured_graphs_keep_their_gradients():
    model = create_model("dyreg_gnn_sync_mnist", **TINY, gain=1.0)
    with capture_graphs(model) as graphs:
        model(torch.rand(1, 2, 1, 14, 14))
    graphs["blocks.stage2.builder"].box.sum().backward()
    assert model.blocks["stage2"].builder.offset.weight.grad.abs().sum() > 0


def test_captured_maps_are_what_the_builders_saw():
    model = create_model("dyreg_gnn_sync_mnist", **TINY).eval()
    video, lengths = torch.rand(2, 3, 1, 14, 14), torch.tensor([2, 3])
    with capture_maps(model) as maps:
        model(video, lengths)
    x, seen_lengths = maps["blocks.stage2.builder"]
    torch.testing.assert_close(x, model.backbone(video.flatten(0, 1)).unflatten(0, (2, 3)))
    assert torch.equal(seen_lengths, lengths)


def test_a_model_without_a_graph_is_named():
    with pytest.raises(ValueError, match="Expected 'model' with a GraphBuilder in it .got VideoClassifier without one"):
        find_graphs(create_model("cnn_sync_mnist", frame_size=14), torch.rand(1, 2, 1, 14, 14))
