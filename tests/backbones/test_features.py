"""What holds for every backbone together."""

import pytest
import torch
from torch import nn

from pyg_video.backbones import (
    NonLocal,
    SmallCNN,
    SmallI3D,
    Stage,
    VideoBackbone,
    c2d_resnet,
    i3d_resnet,
    insert_block,
    resnet,
    run_part,
    tsm_resnet,
)


def i3d_non_local():
    net = i3d_resnet(18, num_stages=2)
    insert_block(net, "layer1.0", NonLocal(64))
    return net


SMALL = {
    "small_cnn": lambda: SmallCNN(3, (4, 8), (2, 2)),
    "small_i3d": lambda: SmallI3D(3, (4, 8), (2, 2)),
    "resnet": lambda: resnet(18, num_stages=2),
    "tsm": lambda: tsm_resnet(18, num_stages=2),
    "tsm_online": lambda: tsm_resnet(18, num_stages=2, online=True),
    "c2d": lambda: c2d_resnet(18, num_stages=2),
    "i3d": lambda: i3d_resnet(18, num_stages=2),
    "i3d_non_local": i3d_non_local,
}
FULL = {
    f"{build.__name__}{depth}": lambda build=build, depth=depth: build(depth)
    for build in (resnet, tsm_resnet, c2d_resnet, i3d_resnet)
    for depth in (18, 34, 50)
}


def features(net, clips):
    for stage in net.stages.values():
        clips = run_part(stage, clips, {})
    return clips


def test_a_backbone_tells_what_the_protocol_asks_for():
    net: VideoBackbone = SmallCNN(3, channels=(4, 8), strides=(2, 2))
    assert net.in_channels == 3
    assert net.info == (Stage("stage1", 4, 2), Stage("stage2", 8, 4))
    assert isinstance(net.stages, nn.ModuleDict)
    assert list(net.stages) == [stage.name for stage in net.info]


@pytest.mark.parametrize("build", [*SMALL.values(), *FULL.values()], ids=[*SMALL, *FULL])
def test_stages_are_what_they_tell(build):
    with torch.device("meta"):
        net, x = build(), torch.empty(2, 8, 3, 64, 96)
    assert list(net.stages) == [stage.name for stage in net.info]
    for stage in net.info:
        x = run_part(net.stages[stage.name], x, {})
        assert x.shape == (2, 8 // stage.time_stride, stage.channels, 64 // stage.stride, 96 // stage.stride)


@pytest.mark.parametrize("build", SMALL.values(), ids=SMALL)
def test_two_clips_in_a_batch_equal_the_clips_alone(build):
    net, x = build().eval(), torch.randn(2, 4, 3, 16, 16)
    together, alone = features(net, x), torch.cat([features(net, clip[None]) for clip in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["tsm", "tsm_online", "c2d", "i3d_non_local"])
def test_the_backbone_compiles_into_one_graph(name):
    net, x = SMALL[name]().eval(), torch.randn(1, 4, 3, 16, 16)
    torch._dynamo.reset()
    compiled = torch.compile(lambda clips: features(net, clips), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), features(net, x))


@pytest.mark.parametrize("build", SMALL.values(), ids=SMALL)
def test_bfloat16_autocast_stays_close_to_float32(build):
    net, x = build().eval(), torch.randn(1, 4, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = features(net, x)
        y.float().square().mean().backward()
    want = features(net, x)
    assert (y.float() - want).norm() < 0.05 * want.norm()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("build", SMALL.values(), ids=SMALL)
def test_any_number_of_frames_and_double_precision(build):
    net = build().double().eval()
    for T in (1, 3):
        y = features(net, torch.randn(1, T, 3, 16, 16, dtype=torch.float64))
        assert y.shape[:2] == (1, -(-T // net.info[-1].time_stride))
        assert y.isfinite().all()
