import pytest
import torch

from pyg_video.backbones import MedianDifference, SmallCNN, SmallI3D
from pyg_video.layers import scan


def test_what_stands_still_is_gone_whatever_it_looks_like():
    background, passing = torch.rand(2, 1, 3, 8, 8), torch.zeros(2, 5, 3, 8, 8)
    passing[:, 0, :, 2, 3] = 0.5
    relative = passing / passing[:1].square().mean().sqrt()
    torch.testing.assert_close(MedianDifference()(background + passing), relative, atol=1e-3, rtol=1e-3)


def test_clips_that_move_little_and_much_are_alike():
    clips = torch.rand(2, 6, 1, 4, 4)
    torch.testing.assert_close(MedianDifference()(clips / 100), MedianDifference()(clips), atol=0.01, rtol=0)
    assert not MedianDifference()(clips[:, :1].expand(-1, 6, -1, -1, -1)).any()


def test_batch_norms_of_quiet_and_shaking_clips_know_both_in_evaluation():
    clips, net = torch.rand(64, 5, 1, 8, 8), SmallCNN(1, (4,), (2,), subtract_background=True)
    clips[::8] *= 100
    for batch in 8 * clips.split(8):
        net(batch)
    before = net(clips[:8])
    torch.testing.assert_close(net.eval()(clips[:8]), before, atol=0.3, rtol=0)


def test_frames_beyond_a_clip_do_not_count():
    clips = torch.rand(2, 6, 1, 4, 4)
    lengths = torch.tensor([3, 6])
    found = MedianDifference()(clips, lengths)
    torch.testing.assert_close(found[0, :3], MedianDifference()(clips[:1, :3])[0])
    torch.testing.assert_close(found[1], MedianDifference()(clips[1:])[0])


@pytest.mark.parametrize("net", [SmallCNN, SmallI3D])
def test_a_net_on_what_moves_does_not_see_the_background(net):
    net = net(1, (4,), (2,), subtract_background=True).eval()
    assert [stage.name for stage in net.info] == ["background", "stage1"]
    clips = torch.rand(2, 5, 1, 8, 8)
    torch.testing.assert_close(net(clips + torch.rand(2, 1, 1, 8, 8)), net(clips))


def test_a_median_over_the_clip_does_not_stream():
    with pytest.raises(TypeError, match="depends on no later frames .got MedianDifference"):
        scan(MedianDifference(), torch.rand(1, 2, 1, 4, 4))
