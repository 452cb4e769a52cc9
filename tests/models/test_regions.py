import pytest
import torch

from pyg_video.models import create_model, find_graphs

TINY = {"num_classes": 4, "frame": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}


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


def test_nothing_stays_on_the_model():
    model = create_model("dyreg_gnn_sync_mnist", **TINY).eval()
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    find_graphs(model, torch.rand(1, 2, 1, 14, 14))
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before
    assert not any(module._forward_hooks for module in model.modules())


def test_a_model_without_a_graph_is_named():
    with pytest.raises(ValueError, match="Expected 'model' with a GraphBuilder in it .got VideoClassifier without one"):
        find_graphs(create_model("cnn_sync_mnist", frame=14), torch.rand(1, 2, 1, 14, 14))
