import pytest
import torch
from torch import nn

from pyg_video.backbones import NonLocal, OnlineShift, c2d_resnet, i3d_resnet, insert_block, resnet, tsm_resnet
from pyg_video.graph_builders import BoxGraph, GridGraph, RegionGraph
from pyg_video.inspection import find_graphs, model_cost
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN, scan
from pyg_video.models import PoolHead, VideoClassifier


def block(channels, residual_scale=1.0):
    rstg = RSTG(SpaceConv(channels), TemporalRNN(channels), TemporalRNN(channels), num_iterations=1)
    return GraphBlock(channels, GridGraph(channels, 1), rstg, residual_scale=residual_scale)


class Seen(nn.Module):
    takes_clips = True
    shape: tuple[int, ...] = ()

    def forward(self, clips):
        self.shape = tuple(clips.shape)
        return clips + 1


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("layer1.1.conv2", (2, 3, 64, 8, 8)), ("layer1.1.bn1", (2, 3, 64, 8, 8)), ("layer2.0", (2, 3, 128, 4, 4)),
        ("layer2.0.downsample", (2, 3, 128, 4, 4)), ("stem", (2, 3, 64, 8, 8)), ("layer3", (2, 3, 256, 2, 2)),
    ],
)  # fmt: skip
def test_the_block_sees_clips_and_what_comes_after_sees_the_block(path, shape):
    net, seen, x = tsm_resnet(18, num_stages=3).eval(), Seen(), torch.randn(2, 3, 3, 32, 32)
    before = net(x)
    insert_block(net, path, seen)
    after = net(x)
    assert seen.shape == shape
    assert not torch.allclose(after, before)


def test_a_stage_of_any_backbone_takes_a_block():
    net, seen = resnet(18, num_stages=1).eval(), Seen()
    x = torch.randn(2, 3, 3, 32, 32)
    before = net(x)
    insert_block(net, "layer1", seen)
    assert torch.equal(net(x), before + 1)


def test_a_block_is_the_identity_at_initialisation_and_its_graph_is_found():
    net, x = tsm_resnet(18, num_stages=2).eval(), torch.randn(1, 3, 3, 32, 32)
    before = net(x)
    insert_block(net, "layer2.1.conv1", block(128, residual_scale=0.0))
    assert torch.equal(net(x), before)
    assert list(find_graphs(net, x)) == ["stages.layer2.1.conv1.1.builder"]


def test_a_backbone_with_a_block_inside_runs_chunk_by_chunk():
    net = tsm_resnet(18, num_stages=2, online=True).eval()
    assert isinstance(net.stages["layer2"][0].shift, OnlineShift)
    insert_block(net, "layer2.0.conv2", block(128))
    from pyg_video.backbones import scan_part

    x = torch.randn(1, 5, 3, 32, 32)
    want = net(x)
    chunks = []
    states = dict.fromkeys(net.stages)
    for part in (x[:, :2], x[:, 2:]):
        for name, stage in net.stages.items():
            part, states[name] = scan_part(stage, part, states[name], {})
        chunks.append(part)
    torch.testing.assert_close(torch.cat(chunks, dim=1), want, atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_block_and_the_part_before_it():
    net = tsm_resnet(18, num_stages=1)
    insert_block(net, "layer1.0.conv1", block(64))
    net(torch.randn(1, 2, 3, 32, 32)).square().sum().backward()
    part, inserted = net.stages["layer1"][0].conv1
    assert part.weight.grad.abs().max() > 0
    assert inserted.processor.final_time.weight_ih_l0.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("net", "path", "channels", "message"),
    [
        (tsm_resnet, "layer9.0", 64, r"part of the backbone, under stem, layer1, .*got 'layer9.0'"),
        (tsm_resnet, "layer1.0.conv7", 64, "Expected 'path' of a part"),
        (tsm_resnet, "layer1.0.conv2", 32, "Expected a block of 64 channels behind 'layer1.0.conv2' .got 32"),
        (tsm_resnet, "layer2.0.downsample.0", 128, "inside a Sequential, which sees folded frames"),
        (resnet, "layer1.0.conv2", 64, "inside a BasicBlock, which sees folded frames"),
    ],
)
def test_places_where_no_block_can_go_are_refused(net, path, channels, message):
    with pytest.raises(ValueError, match=message):
        insert_block(net(18, num_stages=2), path, block(channels))


@pytest.mark.parametrize("path", ["layer2.1.conv1", "layer2.0.downsample", "layer2", "stem"])
def test_a_block_inside_is_told_the_lengths_of_clips(path):
    """A graph that looks at whole clips, in a backbone that does not: padding must not be seen."""
    net, channels = tsm_resnet(18, num_stages=2, online=True), 64 if path == "stem" else 128
    clips = RegionGraph(channels, size=(4, 4), adapt="clip", gain=0.3)
    rstg = RSTG(SpaceConv(channels), TemporalRNN(channels), TemporalRNN(channels), num_iterations=1)
    insert_block(net, path, GraphBlock(channels, clips, rstg, residual_scale=1.0))
    model = VideoClassifier(net, PoolHead(128, 5)).double().eval()
    video = torch.rand(2, 4, 3, 32, 32, dtype=torch.float64)
    padded = model(video, torch.tensor([2, 4]))
    torch.testing.assert_close(padded, torch.cat([model(video[:1, :2]), model(video[1:])]))


def test_a_block_inside_is_given_the_boxes():
    net = tsm_resnet(18, num_stages=2, online=True)
    rstg = RSTG(SpaceConv(128), TemporalRNN(128), TemporalRNN(128), num_iterations=1)
    insert_block(net, "layer2.1.conv1", GraphBlock(128, BoxGraph(128, 2), rstg, residual_scale=1.0))
    model = VideoClassifier(net, PoolHead(128, 5)).double().eval()
    video, box = torch.rand(1, 4, 3, 32, 32).double(), torch.rand(1, 4, 2, 4).double()
    assert "box" in model.accepts
    (graph,) = find_graphs(model, video, box=box).values()
    torch.testing.assert_close(graph.grid(graph.box), box)
    _, state = scan(model, video[:, :2], box=box[:, :2])
    scores, state = scan(model, video[:, 2:], state, box=box[:, 2:])
    torch.testing.assert_close(scores, model(video, box=box))
    assert model_cost(model, (2, 3, 32, 32), runs=0).multiply_adds.graph > 0


@pytest.mark.parametrize(
    ("build", "path", "shape"),
    [
        (resnet, "layer2.0", (2, 4, 128, 4, 4)), (c2d_resnet, "layer1.0", (2, 4, 64, 8, 8)),
        (c2d_resnet, "layer2.1", (2, 2, 128, 4, 4)), (i3d_resnet, "layer2.1", (2, 2, 128, 4, 4)),
        (i3d_resnet, "layer2.1.conv1", (2, 2, 128, 4, 4)), (i3d_resnet, "layer1", (2, 4, 64, 8, 8)),
        (tsm_resnet, "layer2.0.conv2", (2, 4, 128, 4, 4)),
    ],
)  # fmt: skip
def test_the_block_sees_clips_in_every_backbone(build, path, shape):
    net, seen, x = build(18, num_stages=2).eval(), Seen(), torch.randn(2, 4, 3, 32, 32)
    before = net(x)
    insert_block(net, path, seen)
    assert not torch.allclose(net(x), before)
    assert seen.shape == shape


@pytest.mark.parametrize("build", [c2d_resnet, i3d_resnet])
def test_without_its_block_the_backbone_is_as_before(build):
    net, x = build(18, num_stages=2).eval(), torch.randn(1, 4, 3, 32, 32)
    before = net(x)
    insert_block(net, "layer1.0", nn.Identity())
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("path", ["layer2.7", "layer2.0.conv7", "layer9.0"])
def test_places_that_are_not_there_are_named(path):
    with pytest.raises(ValueError, match="Expected 'path' of a part"):
        insert_block(i3d_resnet(18, num_stages=2), path, nn.Identity())


@pytest.mark.parametrize("build", [resnet, tsm_resnet, c2d_resnet, i3d_resnet])
def test_a_non_local_block_goes_behind_a_residual_block(build):
    plain, net, x = build(18, num_stages=2).eval(), build(18, num_stages=2).eval(), torch.randn(1, 2, 3, 32, 32)
    net.load_state_dict(plain.state_dict())
    block = NonLocal(128)
    insert_block(net, "layer2.1", block)
    assert net.get_submodule("stages.layer2.1.1") is block
    assert torch.equal(net.eval()(x), plain(x))  # at initialisation
    nn.init.ones_(block.norm.weight)
    assert not torch.equal(net(x), plain(x))
