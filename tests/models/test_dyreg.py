import pytest
import torch

from pyg_video.graph_builders import list_builders
from pyg_video.inspection import find_graphs, model_cost
from pyg_video.models import cnn_sync_mnist, create_model, dyreg_gnn_sync_mnist, graph_sync_mnist

TINY = {"num_classes": 4, "frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}
GRAPH = {**TINY, "channels": (4, 8), "num_iterations": 1}
FEATURES = {
    "num_classes": 4,
    "in_channels": 6,
    "frame_size": 4,
    "node_channels": 8,
    "region_channels": 8,
    "num_iterations": 1,
}
PAPER = {"fixed": 2.82, "dyreg_lite": 2.83, "dyreg": 3.08}  # millions of parameters, table 6
NODES = ("fixed", "static", "constant_time", "position_only", "dyreg_lite", "dyreg", "semantic")
PLACES = {
    "dyreg_tsm_resnet18": ("layer2.0.conv2.1", "layer3.0.conv2.1", "layer4.0.conv2.1"),
    "dyreg_i3d_resnet50": ("layer2.2.conv2.1.block", "layer3.4.conv2.1.block", "layer4.1.conv2.1.block"),
}


@pytest.mark.parametrize(
    ("stages", "name", "width", "size"), [((), "stage2", 6, (7, 7)), (("stage1",), "stage1", 4, (7, 7))]
)
def test_the_block_follows_the_chosen_stage(stages, name, width, size):
    model = dyreg_gnn_sync_mnist(**TINY, stages=stages)
    (block,) = model.blocks.values()
    assert list(model.blocks) == [name]
    assert (block.channels, block.builder.size) == (width, size)


def test_a_block_may_follow_each_of_several_stages():
    model = dyreg_gnn_sync_mnist(**TINY, stages=("stage2", "stage1")).eval()
    widths = {name: (block.channels, block.builder.size) for name, block in model.blocks.items()}
    assert widths == {"stage2": (6, (7, 7)), "stage1": (4, (7, 7))}
    assert model(torch.rand(1, 2, 1, 14, 14)).shape == (1, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"stages": ("stage3",)},
        {"stages": ("stage2", "stage2")},
        {"stages": (1,)},
        {"stages": ("stage1",), "output": "vector"},
    ],
)
def test_impossible_stages_are_refused(options):
    with pytest.raises(ValueError, match="Expected 'stages'"):
        dyreg_gnn_sync_mnist(**TINY, **options)


@pytest.mark.parametrize("frame", [13, 14, 15])
def test_the_blocks_map_size_is_the_backbones(frame):
    model = dyreg_gnn_sync_mnist(**{**TINY, "frame_size": frame, "strides": (2, 2)})
    features = model.features(torch.rand(1, 1, 1, frame, frame))
    assert features.shape[-2:] == model.blocks["stage2"].builder.size


def test_regions_number_and_place_are_options():
    model = dyreg_gnn_sync_mnist(**TINY, arrangement=(1, 2), anchors="grid", region_size="fixed", gain=0.5)
    graph = model.blocks["stage2"].builder(torch.rand(1, 1, 6, 7, 7))
    assert graph.frame_layout == (1, 2)


def test_the_block_is_the_identity_at_initialisation():
    graph = dyreg_gnn_sync_mnist(**TINY).eval()
    plain = cnn_sync_mnist(4, frame_size=14, channels=(4, 6), strides=(2, 1)).eval()
    plain.backbone.load_state_dict(graph.backbone.state_dict())
    video = torch.rand(2, 3, 1, 14, 14)
    torch.testing.assert_close(graph.features(video), plain.features(video))


def test_the_nodes_may_decide_the_class_themselves():
    model = dyreg_gnn_sync_mnist(**TINY, output="vector", readout="last")
    assert not model.blocks
    video = torch.rand(2, 3, 1, 14, 14)
    graph = model.head.processor(model.head.builder(model.features(video)))
    torch.testing.assert_close(model(video), model.head.linear(graph.frames[:, -1].sum(1)), atol=1e-5, rtol=1e-4)


def boxes(model):
    return {"box": torch.rand(2, 3, 5, 4) / 2 + 0.2} if "box" in model.accepts else {}


@pytest.mark.parametrize("name", list_builders())
@pytest.mark.parametrize("output", ["vector", "map"])
def test_every_strategy_learns_in_the_same_model(name, output):
    model = create_model("graph_sync_mnist", **GRAPH, builder=name, output=output, residual_scale=1.0)
    video = torch.rand(2, 3, 1, 14, 14)
    loss = torch.nn.functional.cross_entropy(model(video, **boxes(model)), torch.tensor([1, 3]))
    loss.backward()
    builder = model.head.builder if output == "vector" else model.blocks["stage2"].builder
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if any(True for _ in builder.parameters()):
        assert sum(p.grad.abs().sum() for p in builder.parameters()) > 0


def test_only_the_detector_takes_boxes():
    assert [n for n in list_builders() if "box" in graph_sync_mnist(**GRAPH, builder=n).accepts] == ["box"]


def test_dyreg_is_the_model_of_that_name():
    torch.manual_seed(3)
    mine = graph_sync_mnist(**GRAPH, builder="dyreg", output="map")
    torch.manual_seed(3)
    other = dyreg_gnn_sync_mnist(**GRAPH, readout="last", anchors="grid", gain=0.3)
    video = torch.rand(2, 3, 1, 14, 14)
    assert torch.equal(mine(video), other(video))


@pytest.mark.parametrize("name", ["complete", "overlap", "knn", "attention"])
def test_every_connect_rule_is_an_option(name):
    model = graph_sync_mnist(**GRAPH, builder="semantic", connect=name)
    assert model(torch.rand(2, 3, 1, 14, 14)).isfinite().all()


@pytest.mark.parametrize(
    ("option", "value"),
    [("builder", "regions"), ("connect", "all"), ("output", "nodes"), ("arrangement", (3,)), ("adapt", "video")],
)
def test_impossible_options_are_refused(option, value):
    with pytest.raises(ValueError, match=f"Expected '{option}'"):
        graph_sync_mnist(**{**GRAPH, option: value})


@pytest.mark.parametrize("name", list_builders())
def test_every_strategy_has_its_cost(name):
    cost = model_cost(graph_sync_mnist(**GRAPH, builder=name), (3, 1, 14, 14), runs=1)
    assert cost.multiply_adds.graph > 0
    without = {"grid", "fixed", "box", "superpixel", "saliency"}
    assert (cost.multiply_adds.region_prediction > 0) == (name not in without)


def test_a_graph_on_features_scores_maps_and_all_of_it_learns():
    model = create_model("graph_on_features", **FEATURES)
    scores = model(torch.randn(2, 3, 6, 4, 4))
    assert scores.shape == (2, 4)
    scores.square().sum().backward()
    assert all(value.grad is not None for value in model.parameters())
    assert model.blocks["features"].project[0].weight.grad.abs().max() > 0


def test_without_its_scale_the_block_does_nothing():
    model, x = create_model("graph_on_features", **FEATURES, residual_scale=0.0).eval(), torch.randn(2, 3, 6, 4, 4)
    assert torch.equal(model(x), model.head(x))


def test_maps_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"Expected 'video' of shape \[B, T, 6, H, W\]"):
        create_model("graph_on_features", **FEATURES)(torch.randn(2, 3, 5, 4, 4))


def millions(model):
    return sum(p.numel() for p in model.parameters()) / 1e6


@pytest.mark.parametrize("nodes", PAPER)
def test_multi_sync_mnist_models_have_the_papers_parameters(nodes):
    assert millions(create_model("dyreg_gnn_multi_sync_mnist", builder=nodes)) == pytest.approx(PAPER[nodes], abs=0.005)


def test_the_semantic_model_is_within_two_percent_of_the_papers():
    """Which features the paper's attention is predicted from is not told; ours is one 1 x 1 convolution of the map."""
    assert millions(create_model("dyreg_gnn_multi_sync_mnist", builder="semantic")) == pytest.approx(2.85, rel=0.02)


def test_the_model_without_a_graph_has_the_papers_parameters():
    assert millions(create_model("resnet18_multi_sync_mnist")) == pytest.approx(2.79, abs=0.005)


@pytest.mark.parametrize("nodes", NODES)
def test_multi_sync_mnist_models_score_clips(nodes):
    model = create_model("dyreg_gnn_multi_sync_mnist", frame_size=32, builder=nodes, num_classes=4, residual_scale=1.0)
    assert list(model.blocks) == ["layer2"]
    assert model.blocks["layer2"].processor[0].size == (4, 4)
    assert model(torch.rand(2, 3, 1, 32, 32)).shape == (2, 4)


def test_blocks_go_where_the_released_model_has_them():
    model = create_model("dyreg_tsm_resnet50", frame_size=96)
    names = {"layer2.2": (128, 128, 12), "layer3.4": (256, 256, 6), "layer4.1": (512, 256, 3)}
    for place, (channels, width, side) in names.items():
        block = model.get_submodule(f"backbone.stages.{place}.conv2.1")
        assert (block.channels, block.builder.channels, block.builder.size) == (channels, width, (side, side))


def test_the_three_blocks_leave_the_backbone_alone_at_initialisation():
    graph = create_model("dyreg_tsm_resnet50", frame_size=96, num_classes=3).eval()
    plain = create_model("tsm_resnet50", num_classes=3).eval()
    state = {name.replace("conv2.0.", "conv2."): w for name, w in graph.state_dict().items() if "conv2.1." not in name}
    plain.load_state_dict(state)
    video = torch.rand(1, 2, 3, 96, 96)
    assert torch.equal(graph(video), plain(video))


def test_the_online_model_runs_on_a_stream():
    model = create_model(
        "dyreg_tsm_resnet50", frame_size=48, stages=("layer2",), num_classes=3, online=True, residual_scale=1.0
    )
    model, video = model.eval(), torch.rand(1, 3, 3, 48, 48)
    scores, state = model.scan(video[:, :2])
    torch.testing.assert_close(scores, model(video[:, :2]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.scan(video[:, 2:], state)[0], model(video), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stages", [(), ("layer5",), ("stem",), ("layer2", "layer2")])
def test_layers_that_are_not_there_are_refused(stages):
    with pytest.raises(ValueError, match="Expected 'stages'"), torch.device("meta"):
        create_model("dyreg_tsm_resnet50", stages=stages)


@pytest.mark.parametrize("backbone", ["c2d", "resnet"])
def test_backbones_whose_residual_blocks_see_no_clips_are_refused(backbone):
    with pytest.raises(ValueError, match="Expected 'backbone' to be one of 'tsm', 'i3d'"):
        create_model("dyreg_resnet", backbone=backbone)


def test_multiply_adds_are_the_papers_if_messages_are_counted_once_a_pair():
    cost = model_cost(create_model("dyreg_tsm_resnet50"), (16, 3, 224, 224), runs=0).multiply_adds
    backbone, regions, graph = (count / 1e9 for count in cost)
    assert backbone == pytest.approx(65.8, rel=0.02)
    assert regions == pytest.approx(0.2, abs=0.05)
    assert graph + regions == pytest.approx(1.19, abs=0.01)
    for C, side in ((128, 28), (256, 14), (256, 7)):
        graph += 3 * 16 * (81 - 9) * C**2 / 1e9  # the first layer of the messages once a pair, in three stages
        graph -= 2 * 16 * 9 * C * side**2 / 1e9  # the products with the kernels, which no layer makes
    assert graph == pytest.approx(1.4, abs=0.05)  # GNN + Fixed
    assert graph + regions == pytest.approx(1.6, abs=0.05)


@pytest.mark.parametrize("name", PLACES)
def test_each_of_the_last_three_stages_has_a_block_of_nine_nodes(name):
    model, T = create_model(name, num_classes=3, frame_size=96).eval(), 2 if "tsm" in name else 1
    graphs = find_graphs(model, torch.rand(1, 2, 3, 96, 96))
    assert list(graphs) == [f"backbone.stages.{place}.builder" for place in PLACES[name]]
    assert [tuple(graph.frames.shape) for graph in graphs.values()] == [(1, T, 9, C) for C in (128, 256, 256)]


@pytest.mark.parametrize("name", PLACES)
def test_blocks_leave_the_backbone_alone_at_initialisation(name):
    model = create_model(name, num_classes=3, frame_size=48, stages=("layer3",)).eval()
    other = create_model(name.removeprefix("dyreg_"), num_classes=3).eval()
    state = {key.replace(".conv2.0.", ".conv2."): weight for key, weight in model.state_dict().items()}
    other.load_state_dict({key: state[key] for key in other.state_dict()})
    video = torch.rand(1, 2, 3, 48, 48)
    assert torch.equal(model(video), other(video))


def test_given_boxes_do_not_reach_volumes():
    with pytest.raises(ValueError, match="got one on given boxes, which do not reach"):
        create_model("dyreg_i3d_resnet50", builder="box")
