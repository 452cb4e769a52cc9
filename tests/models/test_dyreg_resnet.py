import pytest
import torch

from pyg_video.inspection import model_cost
from pyg_video.models import create_model

PAPER = {"fixed": 2.82, "dyreg_lite": 2.83, "dyreg": 3.08}  # millions of parameters, table 6
NODES = ("fixed", "static", "constant_time", "position_only", "dyreg_lite", "dyreg", "semantic")


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
        "dyreg_tsm_resnet50", frame_size=48, stages=(3,), num_classes=3, online=True, residual_scale=1.0
    )
    model, video = model.eval(), torch.rand(1, 3, 3, 48, 48)
    scores, state = model.scan(video[:, :2])
    torch.testing.assert_close(scores, model(video[:, :2]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.scan(video[:, 2:], state)[0], model(video), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stages", [(), (2,), (3, 3)])
def test_stages_without_a_place_are_refused(stages):
    with pytest.raises(ValueError, match="Expected 'stages' out of 3, 4 and 5"):
        create_model("dyreg_tsm_resnet50", stages=stages)


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
