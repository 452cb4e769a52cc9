import pytest
import torch

from pyg_video.inspection import find_graphs
from pyg_video.models import create_model

PLACES = {
    "dyreg_tsm_resnet18": ("layer2.0.conv2.1", "layer3.0.conv2.1", "layer4.0.conv2.1"),
    "dyreg_i3d_resnet50": ("layer2.2.conv2.1.block", "layer3.4.conv2.1.block", "layer4.1.conv2.1.block"),
}


@pytest.mark.parametrize("name", PLACES)
def test_each_of_the_last_three_stages_has_a_block_of_nine_nodes(name):
    model, T = create_model(name, num_classes=3, frame_size=96).eval(), 2 if "tsm" in name else 1
    graphs = find_graphs(model, torch.rand(1, 2, 3, 96, 96))
    assert list(graphs) == [f"backbone.stages.{place}.builder" for place in PLACES[name]]
    assert [tuple(graph.frames.shape) for graph in graphs.values()] == [(1, T, 9, C) for C in (128, 256, 256)]


@pytest.mark.parametrize("name", PLACES)
def test_blocks_leave_the_backbone_alone_at_initialisation(name):
    model = create_model(name, num_classes=3, frame_size=48, stages=(4,)).eval()
    other = create_model(name.removeprefix("dyreg_"), num_classes=3).eval()
    state = {key.replace(".conv2.0.", ".conv2."): weight for key, weight in model.state_dict().items()}
    other.load_state_dict({key: state[key] for key in other.state_dict()})
    video = torch.rand(1, 2, 3, 48, 48)
    assert torch.equal(model(video), other(video))


@pytest.mark.parametrize("name", PLACES)
def test_stages_without_a_place_are_refused(name):
    with pytest.raises(ValueError, match="Expected 'stages' out of 3, 4 and 5"):
        create_model(name, stages=(2,))


def test_given_boxes_do_not_reach_volumes():
    with pytest.raises(ValueError, match="got one on given boxes, which do not reach"):
        create_model("dyreg_i3d_resnet50", builder="box")
