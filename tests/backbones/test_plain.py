import pytest
import torch

from pyg_video.backbones import PlainCNN


def test_frames_of_the_paper_become_maps_of_six_by_six():
    net = PlainCNN(1, (4, 4, 6))
    assert net(torch.randn(2, 1, 64, 64)).shape == (2, 6, 6, 6)
    assert [stage.stride for stage in net.info] == [2, 4, 8]


def test_a_net_needs_stages():
    with pytest.raises(ValueError, match="Expected 'channels' with a width for every stage"):
        PlainCNN(1, ())
