import torch

from pyg_video.layers import FrameNorm


def norm():
    layer = FrameNorm(6)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


def test_statistics_run_over_rows_and_channels_of_one_frame():
    x = torch.randn(3, 5, 6) * 4 + 2
    y = FrameNorm(6)(x)
    torch.testing.assert_close(y.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((1, 2), correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_flat_equals_one_frame_at_a_time():
    layer, x = norm(), torch.randn(3, 5, 6)
    index = torch.arange(3).repeat_interleave(5)
    torch.testing.assert_close(layer(x.flatten(0, 1), index, 3), layer(x).flatten(0, 1))


def test_frames_may_have_different_numbers_of_rows():
    layer, sizes = norm(), (2, 5, 1)
    frames = [torch.randn(n, 6) for n in sizes]
    index = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    torch.testing.assert_close(layer(torch.cat(frames), index, 3), torch.cat([layer(f) for f in frames]))


def test_rows_may_come_in_any_order():
    layer, x = norm(), torch.randn(15, 6)
    index, order = torch.arange(3).repeat_interleave(5), torch.randperm(15)
    torch.testing.assert_close(layer(x[order], index[order], 3), layer(x, index, 3)[order])


def test_the_output_has_the_type_of_the_parameters():
    x, index = torch.randn(6, 6).bfloat16(), torch.tensor([0, 1, 1, 2, 2, 2])
    assert FrameNorm(6).bfloat16()(x, index, 3).dtype == torch.bfloat16
    assert FrameNorm(6)(x, index, 3).dtype == torch.float32


def test_masked_rows_change_nothing_in_their_frame():
    layer, x, index = norm(), torch.randn(12, 6), torch.arange(4).repeat_interleave(3)
    mask = torch.tensor([1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1], dtype=torch.bool)  # nobody in the third frame
    x[~mask] *= 100
    y = layer(x, index, 4, mask)
    torch.testing.assert_close(y[mask], layer(x[mask], index[mask], 4))
    assert y.isfinite().all()
    torch.testing.assert_close(layer(x, index, 4, torch.ones_like(mask)), layer(x, index, 4))
