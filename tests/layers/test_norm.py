import pytest
import torch
from torch_geometric import nn as pyg

from pyg_video.data import Frames
from pyg_video.functional import frame_mask
from pyg_video.layers import BatchNorm, ClipNorm, FrameNorm
from pyg_video.layers.norm import normalize


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
    torch.testing.assert_close(layer(x.flatten(0, 1), Frames(3, 1, index)), layer(x).flatten(0, 1))


def test_frames_may_have_different_numbers_of_rows():
    layer, sizes = norm(), (2, 5, 1)
    frames = [torch.randn(n, 6) for n in sizes]
    index = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    torch.testing.assert_close(layer(torch.cat(frames), Frames(3, 1, index)), torch.cat([layer(f) for f in frames]))


def test_rows_may_come_in_any_order():
    layer, x = norm(), torch.randn(15, 6)
    index, order = torch.arange(3).repeat_interleave(5), torch.randperm(15)
    torch.testing.assert_close(layer(x[order], Frames(3, 1, index[order])), layer(x, Frames(3, 1, index))[order])


def test_the_output_has_the_type_of_the_parameters():
    x, index = torch.randn(6, 6).bfloat16(), torch.tensor([0, 1, 1, 2, 2, 2])
    assert FrameNorm(6).bfloat16()(x, Frames(1, 3, index)).dtype == torch.bfloat16
    assert FrameNorm(6)(x, Frames(1, 3, index)).dtype == torch.float32


MASK = torch.tensor([1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1], dtype=torch.bool)  # nobody in the third frame


def test_masked_rows_change_nothing_in_their_frame():
    layer, x, index = norm(), torch.randn(12, 6), torch.arange(4).repeat_interleave(3)
    x[~MASK] *= 100
    frames = Frames(2, 2, index)
    y = layer(x, frames, MASK)
    torch.testing.assert_close(y[MASK], layer(x[MASK], Frames(2, 2, index[MASK])))
    assert y[~MASK].abs().max() == 0
    torch.testing.assert_close(layer(x, frames, torch.ones_like(MASK)), layer(x, frames))


def test_masked_rows_do_not_count_in_a_batch_norm():
    layer, other, x, index = (
        BatchNorm(6, by_frame=True),
        BatchNorm(6, by_frame=True),
        torch.randn(12, 6),
        torch.arange(4).repeat_interleave(3),
    )
    y = layer(x, Frames(2, 2, index), MASK)
    torch.testing.assert_close(y[MASK], other(x[MASK], Frames(1, 2, index[MASK] % 2)))
    torch.testing.assert_close(layer.running_mean, other.running_mean)


def test_masked_nodes_do_not_count_in_a_clip_norm():
    layer, x = clip_norm().double(), torch.randn(1, 4, 3, 6, dtype=torch.float64)
    mask = MASK.view(1, 4, 3)
    y = layer(x, mask=mask)
    torch.testing.assert_close(y[mask][None, None], layer(x[mask][None, None]))


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
    padded = layer(x, mask=frame_mask(torch.tensor([2, 4]), 4)[..., None].expand(2, 4, 5))
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
    ours, torchs = BatchNorm(6, by_frame=True).double(), torch.nn.BatchNorm1d(6, eps=1e-3, momentum=0.01).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)  # [B, T, N, C]
    want = torch.stack([torchs(x[:, t].flatten(0, 1)).view(2, 5, 6) for t in range(4)], dim=1)
    torch.testing.assert_close(ours(x), want)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)


def test_frame_numbers_without_nodes_leave_the_running_statistics_alone():
    ours, torchs = BatchNorm(6, by_frame=True).double(), torch.nn.BatchNorm1d(6, eps=1e-3, momentum=0.01).double()
    x = torch.randn(9, 6, dtype=torch.float64)
    step = torch.tensor([0] * 4 + [2] * 5)  # none in 1 and 3
    want = torch.cat([torchs(x[:4]), torchs(x[4:])])
    torch.testing.assert_close(ours(x, Frames(1, 4, step)), want)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)


@pytest.mark.parametrize(
    "norm",
    [
        lambda: BatchNorm(6, momentum=1.0),
        lambda: BatchNorm(6, momentum=1.0, by_frame=True),
        lambda: pyg.BatchNorm(6, momentum=1.0),
        lambda: pyg.DiffGroupNorm(6, 2, momentum=1.0),
        lambda: torch.nn.BatchNorm1d(6, momentum=1.0),
    ],
)
def test_running_statistics_are_computed_in_float32_under_autocast(norm):
    x, layer, other = (torch.randn(2, 4, 9, 6) * 3 + 5).bfloat16(), norm(), norm()
    other.load_state_dict(layer.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert normalize(layer, x).dtype == torch.float32
    normalize(other, x.float())
    for buffer, want in zip(layer.buffers(), other.buffers(), strict=True):
        assert torch.equal(buffer, want)


PER_FRAME = {
    "InstanceNorm": lambda: pyg.InstanceNorm(6),
    "LayerNorm": lambda: pyg.LayerNorm(6),
    "LayerNorm of nodes": lambda: pyg.LayerNorm(6, mode="node"),
    "GraphNorm": lambda: pyg.GraphNorm(6),
    "GraphSizeNorm": lambda: pyg.GraphSizeNorm(),
    "PairNorm": lambda: pyg.PairNorm(),
    "PairNorm of nodes": lambda: pyg.PairNorm(scale_individually=True),
    "MeanSubtractionNorm": lambda: pyg.MeanSubtractionNorm(),
}


@pytest.mark.parametrize("name", PER_FRAME)
def test_norms_of_pyg_take_frames_for_graphs(name):
    norm, x = PER_FRAME[name]().double(), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    one = torch.zeros(5, dtype=torch.long)
    want = torch.stack([norm(frame, one) for frame in x.flatten(0, 1)]).view(x.shape)
    torch.testing.assert_close(normalize(norm, x), want)


@pytest.mark.parametrize("norm", [pyg.MessageNorm(), pyg.HeteroBatchNorm(6, 2)])
def test_norms_that_need_more_than_nodes_are_refused(norm):
    with pytest.raises(ValueError, match="Expected a norm of nodes and their frames .got .*, which needs"):
        normalize(norm, torch.randn(2, 3, 5, 6))
