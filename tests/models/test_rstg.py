import pytest
import torch

from pyg_video.backbones import SmallCNN
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, BatchNorm, FrameNorm, GraphBlock, SpaceConv, TemporalRNN
from pyg_video.models import PoolHead, VideoClassifier, create_model, rstg_sync_mnist

TINY = {"num_classes": 4, "frame_size": 12, "channels": (8, 8), "strides": (2, 1)}


@pytest.mark.parametrize("attention", ["dot", "multi_head", "additive", "mean"])
def test_every_attention(attention):
    assert rstg_sync_mnist(**TINY, attention=attention)(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


@pytest.mark.parametrize(("positional", "inputs"), [(False, 8), (True, 8 + 36)])
def test_positional_messages_see_the_heat_map(positional, inputs):
    model = rstg_sync_mnist(**TINY, positional=positional)
    assert {m.send.in_features for m in model.modules() if hasattr(m, "send")} == {inputs}
    assert model(torch.rand(1, 2, 1, 12, 12)).shape == (1, 4)


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
