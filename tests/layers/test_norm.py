import torch

from pyg_video.layers import BatchNorm, ClipNorm, FrameNorm


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


def clip_norm():
    layer = ClipNorm(6)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


def test_a_clip_norm_looks_at_all_frames_of_the_clip():
    x = torch.randn(2, 3, 5, 6) * 4 + 2
    y = ClipNorm(6)(x)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((1, 2, 3), correction=0), torch.ones(2), atol=1e-4, rtol=0)


def test_padded_frames_do_not_count_in_a_clip_norm():
    layer, x = clip_norm().double(), torch.randn(2, 4, 5, 6, dtype=torch.float64)
    padded = layer(x, torch.tensor([2, 4]))
    torch.testing.assert_close(padded[:1, :2], layer(x[:1, :2]))
    torch.testing.assert_close(padded[1:], layer(x[1:]))


def test_batch_norm_of_all_rows_is_torchs():
    ours, torchs = BatchNorm(6, eps=1e-3, momentum=0.01), torch.nn.BatchNorm1d(6, eps=1e-3, momentum=0.01)
    for _ in range(2):
        x = torch.randn(4, 5, 6) * 3 + 1
        torch.testing.assert_close(ours(x), torchs(x.flatten(0, 1)).view_as(x))
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)
    torch.testing.assert_close(ours.eval()(x), torchs.eval()(x.flatten(0, 1)).view_as(x))


def test_batch_norm_of_steps_is_torchs_called_once_a_step():
    ours, torchs = BatchNorm(6).double(), torch.nn.BatchNorm1d(6, eps=1e-3, momentum=0.01).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)  # [B, T, N, C]
    step = torch.arange(4).repeat_interleave(5).repeat(2)
    want = torch.stack([torchs(x[:, t].flatten(0, 1)).view(2, 5, 6) for t in range(4)], dim=1)
    torch.testing.assert_close(ours(x.flatten(0, 2), step, 4).view_as(x), want)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)
