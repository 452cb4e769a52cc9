import pytest
import torch
from torch import nn

from pyg_video.layers.map_reads import pointwise


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_product_is_the_convolution(bias, layout):
    conv = nn.Conv2d(5, 3, 1, bias=bias).double()
    x = torch.randn(4, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=layout)
    torch.testing.assert_close(pointwise(conv, x), conv(x))


@pytest.mark.parametrize(
    "conv", [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2)]
)
def test_other_convolutions_stay_convolutions(conv):
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(pointwise(conv, x), conv(x))


def test_a_convolution_with_a_hook_is_called():
    conv, calls = nn.Conv2d(4, 4, 1), []
    conv.register_forward_hook(lambda *_: calls.append(1))
    pointwise(conv, torch.randn(2, 4, 6, 6))
    assert calls == [1]
