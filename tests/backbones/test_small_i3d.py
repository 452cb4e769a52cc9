import pytest
import torch
from torch import nn

from pyg_video.backbones import SmallCNN, SmallI3D


def test_kernels_of_one_frame_make_it_the_small_cnn():
    flat, net = SmallCNN(1).eval(), SmallI3D(1, kernel_time=1).eval()
    for ours, theirs in zip(net.parameters(), flat.parameters(), strict=True):
        nn.init.normal_(theirs)
        ours.data.copy_(theirs.view_as(ours))
    x = torch.randn(2, 3, 1, 16, 16)
    torch.testing.assert_close(net(x), flat(x.flatten(0, 1)).unflatten(0, (2, 3)))


def test_a_kernel_sees_the_frames_next_to_it():
    net, x = SmallI3D(1, (4,), (2,)).eval(), torch.randn(1, 5, 1, 8, 8)
    other = x.clone()
    other[:, 4] += 1
    change = (net(other) - net(x)).abs().amax((0, 2, 3, 4))
    assert (change > 0).tolist() == [False, False, False, True, True]


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="as many 'channels' as 'strides'"):
        SmallI3D(1, (4, 8), (2,))
    with pytest.raises(ValueError, match="'kernel_time' to be an odd number"):
        SmallI3D(1, kernel_time=2)
