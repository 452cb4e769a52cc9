import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from pyg_video.backbones import ClipStage, OnlineShift, ShiftedBlock, TemporalShift, resnet, tsm_resnet
from pyg_video.graph_builders import GridGraph
from pyg_video.layers import RSTG, GraphBlock, SpaceConv, TemporalRNN, scan


@pytest.fixture
def x():
    return torch.randn(2, 5, 16, 4, 3, dtype=torch.float64)


@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize(("C", "fold"), [(16, 2), (17, 2), (7, 0)])
def test_channels_move_as_the_paper_writes_it(T, C, fold):
    x = torch.randn(2, T, C, 4, 3)
    want = torch.zeros_like(x)
    for t in range(T):
        want[:, t, 2 * fold :] = x[:, t, 2 * fold :]
        if t + 1 < T:
            want[:, t, :fold] = x[:, t + 1, :fold]
        if t > 0:
            want[:, t, fold : 2 * fold] = x[:, t - 1, fold : 2 * fold]
    assert torch.equal(TemporalShift(8)(x), want)


def test_online_the_first_channels_come_from_the_frame_before(x):
    want = x.clone()
    want[:, 1:, :2], want[:, 0, :2] = x[:, :-1, :2], 0
    assert torch.equal(OnlineShift(8)(x), want)


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("width", [16, 8])
def test_the_branch_is_shifted_and_the_skip_is_not(kind, width, x):
    skip = None
    if width * kind.expansion != 16:
        skip = nn.Sequential(nn.Conv2d(16, width * kind.expansion, 1), nn.BatchNorm2d(width * kind.expansion))
    block = kind(16, width, downsample=skip).double().eval()
    want = []
    for clip, moved in zip(x, TemporalShift()(x), strict=True):
        conv1, block.conv1 = block.conv1, nn.Identity()
        hook = block.conv1.register_forward_hook(lambda *_, moved=moved, conv1=conv1: conv1(moved))
        want.append(block(clip))
        hook.remove()
        block.conv1 = conv1
    torch.testing.assert_close(ShiftedBlock(block, TemporalShift())(x), torch.stack(want))


@pytest.mark.parametrize("shift", [TemporalShift, OnlineShift])
def test_gradients_are_right(shift):
    block = ShiftedBlock(BasicBlock(8, 8), shift(4)).double().eval()
    x = torch.randn(1, 3, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x, fast_mode=True)


def test_without_shift_it_is_the_plain_net(x):
    plain, net = resnet(18, num_stages=2).eval(), tsm_resnet(18, num_stages=2, shift_div=10_000).eval()
    net.load_state_dict(plain.state_dict())
    clips = torch.randn(1, 3, 3, 32, 32)
    torch.testing.assert_close(net(clips), plain(clips))


def later_changed(net, x):
    later = x.clone()
    later[:, 3:] += 1
    return net(later) - net(x)


def test_the_future_does_not_leak_into_the_online_net():
    net, x = tsm_resnet(18, num_stages=2, online=True).eval(), torch.randn(1, 5, 3, 16, 16)
    change = later_changed(net, x).abs().amax((0, 2, 3, 4))
    assert change[:3].max() == 0
    assert change[3:].min() > 0
    assert later_changed(tsm_resnet(18, num_stages=2).eval(), x)[:, :3].abs().max() > 0


def test_the_online_net_remembers():
    net, x = tsm_resnet(18, num_stages=2, online=True).eval(), torch.randn(1, 5, 3, 16, 16)
    assert (net(x)[:, 3:] - net(x[:, 3:])).abs().max() > 1e-3


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("chunks", [[1, 1, 1, 1, 1], [2, 3]])
def test_a_stream_equals_the_clip_at_once(depth, chunks):
    net, x = tsm_resnet(depth, num_stages=2, online=True).eval(), torch.randn(2, 5, 3, 16, 16)
    y, states = [], [None] * len(net.stages)
    for chunk in x.split(chunks, dim=1):
        for i, stage in enumerate(net.stages.values()):
            if i == 0:  # the stem takes frames
                chunk = stage(chunk.flatten(0, 1)).unflatten(0, chunk.shape[:2])
            else:
                chunk, states[i] = scan(stage, chunk, states[i])
        y.append(chunk)
    torch.testing.assert_close(torch.cat(y, dim=1), net(x), atol=1e-5, rtol=1e-4)


def test_a_block_in_the_skip_connection_keeps_its_state(x):
    skip = nn.Sequential(nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8))
    block = ShiftedBlock(BasicBlock(16, 8, downsample=skip), OnlineShift())
    inserted = GraphBlock(
        8, GridGraph(8), RSTG(SpaceConv(8), nn.Identity(), TemporalRNN(8), num_iterations=0), residual_scale=1.0
    )
    block.downsample = ClipStage(block.downsample, inserted)
    block = block.double().eval()
    first, state = block.scan(x[:, :2])
    second, _ = block.scan(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), block(x))


def test_the_net_that_looks_ahead_refuses_a_stream():
    stage = tsm_resnet(18, num_stages=1).stages["layer1"]
    with pytest.raises(TypeError, match="depends on no later frames .got TemporalShift"):
        scan(stage, torch.randn(1, 2, 64, 4, 4))


def test_a_state_inside_a_block_does_not_get_lost():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = TemporalRNN(8)

    block = ShiftedBlock(BasicBlock(8, 8), OnlineShift())
    block.conv2 = nn.Sequential(block.conv2, Hidden())
    with pytest.raises(TypeError, match="a module with a scan method"):
        scan(block, torch.randn(1, 2, 8, 4, 4))


def test_weights_of_the_plain_net_fit():
    for depth in (18, 50):
        with torch.device("meta"):
            plain, net = resnet(depth).state_dict(), tsm_resnet(depth).state_dict()
        assert {name: w.shape for name, w in plain.items()} == {name: w.shape for name, w in net.items()}


@pytest.mark.parametrize(("online", "least"), [(False, 2), (True, 1)])
def test_shifting_more_than_there_is_is_refused(online, least):
    with pytest.raises(ValueError, match=f"'shift_div' of at least {least}"):
        tsm_resnet(18, num_stages=1, shift_div=least - 1, online=online)
