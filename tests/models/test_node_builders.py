import pytest
import torch

from pyg_video.graph_builders import list_builders
from pyg_video.inspection import model_cost
from pyg_video.models import create_model, dyreg_gnn_sync_mnist, graph_sync_mnist

TINY = {
    "num_classes": 4,
    "frame_size": 14,
    "channels": (4, 8),
    "strides": (2, 1),
    "region_channels": 8,
    "num_iterations": 1,
}


def boxes(model):
    return {"box": torch.rand(2, 3, 5, 4) / 2 + 0.2} if "box" in model.accepts else {}


@pytest.mark.parametrize("name", list_builders())
@pytest.mark.parametrize("output", ["vector", "map"])
def test_every_strategy_learns_in_the_same_model(name, output):
    model = create_model("graph_sync_mnist", **TINY, builder=name, output=output, residual_scale=1.0)
    video = torch.rand(2, 3, 1, 14, 14)
    loss = torch.nn.functional.cross_entropy(model(video, **boxes(model)), torch.tensor([1, 3]))
    loss.backward()
    builder = model.head.builder if output == "vector" else model.blocks["stage2"].builder
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if any(True for _ in builder.parameters()):
        assert sum(p.grad.abs().sum() for p in builder.parameters()) > 0


def test_only_the_detector_takes_boxes():
    assert [n for n in list_builders() if "box" in graph_sync_mnist(**TINY, builder=n).accepts] == ["box"]


def test_dyreg_is_the_model_of_that_name():
    torch.manual_seed(3)
    mine = graph_sync_mnist(**TINY, builder="dyreg")
    torch.manual_seed(3)
    other = dyreg_gnn_sync_mnist(**TINY, output="vector", readout="last", anchors="grid", gain=0.3)
    video = torch.rand(2, 3, 1, 14, 14)
    assert torch.equal(mine(video), other(video))


@pytest.mark.parametrize("name", ["complete", "overlap", "knn", "attention"])
def test_every_connect_rule_is_an_option(name):
    model = graph_sync_mnist(**TINY, builder="semantic", connect=name)
    assert model(torch.rand(2, 3, 1, 14, 14)).isfinite().all()


@pytest.mark.parametrize(
    ("option", "value"), [("builder", "regions"), ("connect", "all"), ("output", "nodes"), ("arrangement", (3,))]
)
def test_impossible_options_are_refused(option, value):
    with pytest.raises(ValueError, match=f"Expected '{option}'"):
        graph_sync_mnist(**{**TINY, option: value})


@pytest.mark.parametrize("name", list_builders())
def test_every_strategy_has_its_cost(name):
    cost = model_cost(graph_sync_mnist(**TINY, builder=name), (3, 1, 14, 14), runs=1)
    assert cost.multiply_adds.graph > 0
    assert (cost.multiply_adds.region_prediction > 0) == (name not in {"grid", "fixed", "box", "superpixel"})
