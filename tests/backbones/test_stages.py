import pytest
import torch
from torch import nn

from pyg_video.backbones import (
    ClipStage,
    SmallCNN,
    Stage,
    StagedBackbone,
    VolumeStage,
    run_part,
    scan_part,
    split_backbone,
)
from pyg_video.layers import TemporalRNN


class Frames(nn.Module):
    def forward(self, x):
        assert x.dim() == 4
        return x * 2


class Clips(nn.Module):
    """The sum of all frames so far."""

    takes_clips = True

    def forward(self, x):
        return self.scan(x)[0]

    def scan(self, x, state=None):
        assert x.dim() == 5
        y = x.cumsum(1) + (0 if state is None else state)
        return y, y[:, -1:]


@pytest.fixture
def x():
    return torch.randn(2, 4, 3, 5, 6)


def test_every_part_sees_the_layout_that_it_takes(x):
    want = (2 * x).cumsum(1) * 2
    assert torch.equal(ClipStage(Frames(), Clips(), Frames())(x), want)
    assert torch.equal(run_part(ClipStage(Frames(), Clips(), Frames()), x, {}), want)
    assert torch.equal(run_part(Frames(), x, {}), 2 * x)


def test_a_volume_is_a_clip_with_channels_first(x):
    conv = nn.Conv3d(3, 4, (3, 1, 1), padding=(1, 0, 0))
    want = conv(x.cumsum(1).movedim(1, 2)).movedim(2, 1)
    torch.testing.assert_close(VolumeStage(Clips(), conv)(x), want)


def test_chunks_equal_the_clip_at_once(x):
    stage = ClipStage(Frames(), Clips(), Clips())
    first, state = scan_part(stage, x[:, :3], None, {})
    second, _ = scan_part(stage, x[:, 3:], state, {})
    torch.testing.assert_close(torch.cat([first, second], 1), stage(x))


def test_volumes_cannot_come_in_chunks(x):
    with pytest.raises(TypeError, match="depends on no later frames .got VolumeStage"):
        scan_part(VolumeStage(nn.ReLU()), x, None, {})


def test_a_state_inside_a_stage_of_frames_does_not_get_lost(x):
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = TemporalRNN(3)

    with pytest.raises(TypeError, match="a module with a scan method"):
        scan_part(nn.Sequential(Frames(), Hidden()), x, None, {})


def test_a_backbone_of_frames_takes_frames_too(x):
    net = StagedBackbone(3, {"a": Frames(), "b": Frames()}, [Stage("a", 3, 1), Stage("b", 3, 1)])
    assert torch.equal(net(x), 4 * x)
    assert torch.equal(net(x[0]), 4 * x[0])


def test_a_backbone_of_clips_takes_clips_alone(x):
    net = StagedBackbone(3, {"a": Clips()}, [Stage("a", 3, 1)])
    assert torch.equal(net(x), x.cumsum(1))
    with pytest.raises(ValueError, match=r"shape \[B, T, C, H, W\] \(got \[4, 3, 5, 6\]\)"):
        net(x[0])


def test_info_must_name_the_stages():
    with pytest.raises(ValueError, match=r"'info' on a \(got \['b'\]\)"):
        StagedBackbone(3, {"a": Frames()}, [Stage("b", 3, 1)])


def test_the_halves_of_a_backbone_share_its_weights_and_count_their_own_strides():
    whole = SmallCNN(1, (4, 8, 8), (2, 2, 1)).eval()
    first, second = split_backbone(whole, "stage2")
    assert (first.info, second.info) == (whole.info[:2], (Stage("stage3", 8, 1),))
    video = torch.rand(2, 3, 1, 16, 16)
    assert torch.equal(second(first(video)), whole(video))
    assert second.stages["stage3"] is whole.stages["stage3"]
    assert split_backbone(whole, "stage1")[1].info[0].stride == 2


@pytest.mark.parametrize("last", ["stage3", "layer1"])
def test_a_backbone_is_split_before_its_end(last):
    with pytest.raises(ValueError, match=rf"Expected 'last' .*\['stage1', 'stage2'\] \(got '{last}'\)"):
        split_backbone(SmallCNN(1, (4, 4, 4), (1, 1, 1)), last)
