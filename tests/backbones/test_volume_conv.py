import pytest
import torch
from torch import nn

from pyg_video.backbones.volume_conv import VolumeConv


def stem():
    return VolumeConv(1, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3))


def poison_memory():
    """Leave NaN in the memory that is handed out next."""
    for size in (64, 1024, 4096, 16384, 65536, 262144, 1 << 20):
        _ = [torch.full((size,), float("nan")) for _ in range(6)]


@pytest.mark.parametrize("pure", [False, True])
def test_gradients_in_bfloat16_are_those_in_float32(pure):
    conv, x = stem(), torch.randn(1, 1, 4, 64, 64)
    conv(x).square().mean().backward()
    want, conv.weight.grad = conv.weight.grad, None
    if pure:
        conv, x = conv.bfloat16(), x.bfloat16()
    poison_memory()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not pure):
        conv(x).float().square().mean().backward()
    assert (conv.weight.grad.float() - want).norm() < 0.05 * want.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_otherwise_it_is_torchs(dtype):
    conv, theirs, x = (
        stem().to(dtype),
        nn.Conv3d(1, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3)).to(dtype),
        torch.randn(1, 1, 3, 8, 8),
    )
    theirs.load_state_dict(conv.state_dict())
    y = conv(x.to(dtype))
    assert y.dtype == dtype
    assert torch.equal(y, theirs(x.to(dtype)))


def test_pure_bfloat16_stays_bfloat16():
    assert stem().bfloat16()(torch.randn(1, 1, 3, 8, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16
