import pytest
import torch

from pyg_video.inspection import find_graphs
from pyg_video.models import GraphHead, PoolHead, SumHead, create_model

SIZE = 48  # layer3 has maps of 3 x 3, the smallest that hold the grids


def make(**options):
    return create_model("rstg_resnet50", num_classes=5, node_channels=8, **options).eval()


@pytest.mark.parametrize("backbone", ["i3d", "c2d"])
def test_graphs_go_behind_the_last_block_but_one_of_a_stage(backbone):
    graphs = find_graphs(make(backbone=backbone, stages=(2, 3, 4)), torch.rand(1, 4, 3, SIZE, SIZE))
    places = {name.removeprefix("backbone.stages.").removesuffix(".1.builder"): graph for name, graph in graphs.items()}
    shapes = {place: tuple(graph.frames.shape) for place, graph in places.items()}
    assert shapes == {"layer1.1": (1, 4, 14, 256), "layer2.2": (1, 2, 14, 512), "layer3.4": (1, 2, 14, 1024)}


def test_graphs_leave_the_backbone_alone_at_initialisation():
    graph, video = make(stages=(3, 4), vector="plus", last_stride=2), torch.rand(1, 4, 3, 96, 96)
    plain = create_model("i3d_resnet50", num_classes=5).eval()
    state = {name.replace("layer2.2.0.", "layer2.2.").replace("layer3.4.0.", "layer3.4."): weight
             for name, weight in graph.state_dict().items()}  # fmt: skip
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    torch.testing.assert_close(graph(video), plain(video), rtol=0, atol=0)


@pytest.mark.parametrize(("vector", "head"), [("none", PoolHead), ("plus", SumHead), ("serial", GraphHead)])
def test_the_graph_on_the_last_map_joins_or_replaces_the_pooled_features(vector, head):
    model = make(stages=(), vector=vector, residual_scale=1.0)
    assert type(model.head) is head
    assert model(torch.rand(1, 4, 3, SIZE, SIZE)).shape == (1, 5)


def test_the_last_stage_keeps_the_size_of_the_one_before():
    video = torch.rand(1, 2, 3, SIZE, SIZE)
    for stride, side in ((1, 3), (2, 2)):
        model = make(stages=(), last_stride=stride)
        assert model.features(video).shape == (1, 1, 2048, side, side)
        assert model.backbone.info[-1].stride == 16 * stride


def test_nodes_of_every_scale_are_updated_by_weights_of_their_own():
    kinds = make(stages=(4,)).get_submodule("backbone.stages.layer3.4.1.processor.1.space.update_mlp").groups
    assert kinds == (9, 4, 1)


def test_options_without_a_meaning_are_refused():
    for options in ({"stages": (5,)}, {"stages": (3, 3)}, {"vector": "sum"}, {"backbone": "tsm"}, {"last_stride": 4}):
        with pytest.raises(ValueError, match=f"Expected '{next(iter(options))}'"):
            make(**options)
