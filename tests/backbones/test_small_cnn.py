import pytest
import torch

from pyg_video.backbones import SmallCNN


@pytest.mark.parametrize("size", [(40, 40), (33, 47)])
def test_stages_tell_their_channels_and_strides(size):
    net = SmallCNN(1, channels=(4, 8, 6), strides=(2, 2, 1))
    x = torch.randn(2, 1, *size)
    for stage in net.info:
        x = net.stages[stage.name](x)
        assert x.shape[1:] == (stage.channels, *(-(-n // stage.stride) for n in size))


def test_channels_and_strides_must_match():
    with pytest.raises(ValueError, match="as many 'channels' as 'strides'"):
        SmallCNN(1, channels=(4, 8), strides=(2,))
