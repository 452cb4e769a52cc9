import pytest
import torch

from pyg_video.backbones import SmallCNN
from pyg_video.graph_builders import GridGraph
from pyg_video.inspection import find_graphs
from pyg_video.layers import RSTG, BatchNorm, DenseSpaceConv, FrameNorm, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import GraphHead, PoolHead, SumHead, VideoClassifier, create_model, rstg_sync_mnist

TINY = {"num_classes": 4, "frame_size": 12, "channels": (8, 8), "strides": (2, 1)}
SIZE = 48  # with it, layer3 has maps of 3 x 3, the smallest for grids of 3 x 3 nodes


@pytest.mark.parametrize("attention", ["dot", "multi_head", "additive", "mean"])
def test_every_attention(attention):
    assert rstg_sync_mnist(**TINY, attention=attention)(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


@pytest.mark.parametrize(("positional", "inputs"), [(False, 8), (True, 8 + 36)])
def test_positional_messages_see_the_heat_map(positional, inputs):
    model = rstg_sync_mnist(**TINY, positional=positional)
    assert {m.send.in_features for m in model.modules() if hasattr(m, "send")} == {inputs}
    assert model(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


def test_without_an_update_mlp_nodes_add_their_messages():
    published, residual = (rstg_sync_mnist(**TINY, update_layers=layers) for layers in (2, 0))
    spaces = [m for m in residual.modules() if isinstance(m, DenseSpaceConv)]
    assert spaces
    assert all(m.update_by_sum and not list(m.update_mlp.parameters()) for m in spaces)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (published, residual)]
    assert sizes[0] - sizes[1] == (2 * 8 * 8 + 8) + (8 * 8 + 8)  # C = 8: two linear layers, the first on two vectors


def test_the_paper_has_fourteen_nodes_a_frame():
    assert rstg_sync_mnist().head.builder.num_nodes == 14


def test_readout_last_ignores_nothing_and_mean_differs():
    last, mean = (rstg_sync_mnist(**TINY, readout=readout).eval() for readout in ("last", "mean"))
    mean.load_state_dict(last.state_dict())
    video = torch.rand(1, 3, 1, 12, 12)
    assert not torch.allclose(last(video), mean(video))


@pytest.mark.parametrize("norm", ["none", "batch", "frame"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_norms_and_cells_can_be_chosen(norm, cell):
    model = create_model(
        "rstg_sync_mnist", num_classes=6, frame_size=20, channels=(4, 8), strides=(2, 2), norm=norm, cell=cell
    )
    kinds = {"none": 0, "batch": 1, "frame": 3}
    assert sum(isinstance(part, BatchNorm | FrameNorm) for part in model.modules()) == kinds[norm]
    assert {part.cell for part in model.modules() if isinstance(part, TemporalRNN)} == {cell}
    assert model(torch.rand(2, 3, 1, 20, 20)).shape == (2, 6)


def test_the_pooled_backbone_needs_frames_to_halve():
    model = create_model("rstg_sync_mnist", num_classes=6, frame_size=64, channels=(4, 4, 8), backbone="pooled")
    assert model.features(torch.rand(1, 2, 1, 64, 64)).shape == (1, 2, 8, 6, 6)
    with pytest.raises(ValueError, match="Expected a 'frame_size' that 3 pooled stages leave something of .got 16"):
        create_model("rstg_sync_mnist", frame_size=16, backbone="pooled")
    with pytest.raises(ValueError, match="'subtract_background' to be False with backbone='pooled'"):
        create_model("rstg_sync_mnist", backbone="pooled", subtract_background=True)


def test_the_graph_goes_back_to_the_maps_of_several_stages_at_once():
    """RSTG-to-map: a residual block behind each of two stages, which runs frame by frame as well."""
    net = SmallCNN(1, (4, 8), (2, 2))
    blocks = {
        stage.name: GraphBlock(
            stage.channels,
            GridGraph(stage.channels),
            RSTG(SpaceConv(stage.channels), TemporalRNN(stage.channels), TemporalRNN(stage.channels)),
            residual_scale=1.0,
        )
        for stage in net.info
    }
    model = VideoClassifier(net, PoolHead(8, 3), blocks=blocks).double().eval()
    video = torch.rand(2, 4, 1, 20, 20, dtype=torch.float64)
    scores, state = model.scan(video[:, :1])
    for t in range(1, 4):
        scores, state = model.scan(video[:, t : t + 1], state)
    torch.testing.assert_close(scores, model(video))
    for block in blocks.values():
        before = model(video)
        torch.nn.init.zeros_(block.norm.weight)
        assert not torch.allclose(model(video), before)


def resnet50(**options):
    return create_model("rstg_resnet50", num_classes=5, node_channels=8, **options).eval()


@pytest.mark.parametrize("backbone", ["i3d", "c2d"])
def test_graphs_go_behind_the_last_block_but_one_of_a_stage(backbone):
    graphs = find_graphs(
        resnet50(backbone=backbone, stages=("layer1", "layer2", "layer3")), torch.rand(1, 4, 3, SIZE, SIZE)
    )
    places = {name.removeprefix("backbone.stages.").removesuffix(".1.builder"): graph for name, graph in graphs.items()}
    shapes = {place: tuple(graph.frames.shape) for place, graph in places.items()}
    assert shapes == {"layer1.1": (1, 4, 14, 256), "layer2.2": (1, 2, 14, 512), "layer3.4": (1, 2, 14, 1024)}


def test_graphs_leave_the_backbone_alone_at_initialisation():
    graph, video = resnet50(stages=("layer2", "layer3"), vector="plus", last_stride=2), torch.rand(1, 4, 3, 96, 96)
    plain = create_model("i3d_resnet50", num_classes=5).eval()
    state = {name.replace("layer2.2.0.", "layer2.2.").replace("layer3.4.0.", "layer3.4."): weight
             for name, weight in graph.state_dict().items()}  # fmt: skip
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    torch.testing.assert_close(graph(video), plain(video), rtol=0, atol=0)


@pytest.mark.parametrize(("vector", "head"), [("none", PoolHead), ("plus", SumHead), ("serial", GraphHead)])
def test_the_graph_on_the_last_map_joins_or_replaces_the_pooled_features(vector, head):
    model = resnet50(stages=(), vector=vector, residual_scale=1.0)
    assert type(model.head) is head
    assert model(torch.rand(1, 4, 3, SIZE, SIZE)).shape == (1, 5)


def test_the_last_stage_keeps_the_size_of_the_one_before():
    video = torch.rand(1, 2, 3, SIZE, SIZE)
    for stride, side in ((1, 3), (2, 2)):
        model = resnet50(stages=(), last_stride=stride)
        assert model.features(video).shape == (1, 1, 2048, side, side)
        assert model.backbone.info[-1].stride == 16 * stride


def test_nodes_of_every_scale_are_updated_by_weights_of_their_own():
    kinds = resnet50(stages=("layer3",)).get_submodule("backbone.stages.layer3.4.1.processor.1.space.update_mlp").groups
    assert kinds == (9, 4, 1)


def test_options_without_a_meaning_are_refused():
    for options in (
        {"stages": ("layer5",)},
        {"stages": ("stem",)},
        {"stages": ("layer2", "layer2")},
        {"vector": "sum"},
        {"backbone": "tsm"},
        {"last_stride": 4},
    ):
        with pytest.raises(ValueError, match=f"Expected '{next(iter(options))}'"):
            resnet50(**options)
