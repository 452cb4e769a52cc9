import pytest
import torch

from pyg_video.models import cnn_sync_mnist, dyreg_gnn_sync_mnist

TINY = {"num_classes": 4, "frame_size": 14, "channels": (4, 6), "strides": (2, 1), "region_channels": 8}


@pytest.mark.parametrize(("stage", "name", "width", "size"), [(-1, "stage2", 6, (7, 7)), (0, "stage1", 4, (7, 7))])
def test_the_block_follows_the_chosen_stage(stage, name, width, size):
    model = dyreg_gnn_sync_mnist(**TINY, stage=stage)
    (block,) = model.blocks.values()
    assert list(model.blocks) == [name]
    assert (block.channels, block.builder.size) == (width, size)


def test_a_block_may_follow_each_of_several_stages():
    model = dyreg_gnn_sync_mnist(**TINY, stages=(1, 0)).eval()
    widths = {name: (block.channels, block.builder.size) for name, block in model.blocks.items()}
    assert widths == {"stage2": (6, (7, 7)), "stage1": (4, (7, 7))}
    assert model(torch.rand(1, 2, 1, 14, 14)).shape == (1, 4)


def test_one_of_several_stages_is_the_stage():
    one, other = dyreg_gnn_sync_mnist(**TINY, stage=0), dyreg_gnn_sync_mnist(**TINY, stages=(0,))
    other.load_state_dict(one.state_dict())
    video = torch.rand(1, 2, 1, 14, 14)
    torch.testing.assert_close(other.eval()(video), one.eval()(video))


@pytest.mark.parametrize(
    "options",
    [
        {"stages": (2,)},
        {"stages": (1, -1)},
        {"stages": ("1",)},
        {"stages": (0,), "stage": 0},
        {"stages": (1,), "output": "vector"},
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


@pytest.mark.parametrize(("option", "value"), [("stage", 2), ("arrangement", (3,))])
def test_impossible_options_are_refused(option, value):
    with pytest.raises(ValueError, match=f"Expected '{option}'"):
        dyreg_gnn_sync_mnist(**{**TINY, option: value})


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
    with pytest.raises(ValueError, match="Expected 'output' to be 'map' or 'vector'"):
        dyreg_gnn_sync_mnist(**TINY, output="nodes")
    with pytest.raises(ValueError, match="Expected 'stage' to be the last one"):
        dyreg_gnn_sync_mnist(**TINY, output="vector", stage=0)
