import pytest
import torch

from pyg_video.layers import precision
from pyg_video.layers.precision import autocast_dtype, autocast_is_slow, without_autocast


def test_the_type_is_that_of_the_surrounding_autocast():
    x = torch.randn(2, 2)
    assert autocast_dtype(x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_dtype(x) == torch.bfloat16
        assert autocast_dtype(x.double()) is None  # which torch leaves alone
        with without_autocast(x):
            assert autocast_dtype(x) is None
            assert (x @ x).dtype == torch.float32


def test_a_device_without_autocast_has_none():
    x = torch.empty(2, device="meta")
    with torch.autocast("cpu", torch.bfloat16), without_autocast(x):
        assert autocast_dtype(x) is None


@pytest.mark.parametrize("fast", [True, False])
def test_autocast_is_slow_where_the_cpu_lacks_the_instructions(fast, monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: fast)
    assert not autocast_is_slow(torch.randn(2))
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_is_slow(torch.randn(2)) == (not fast)
