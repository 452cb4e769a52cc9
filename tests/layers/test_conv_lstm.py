import pytest
import torch
from torch import nn

from pyg_video.layers import ConvLSTM, TemporalRNN

C = 3


@pytest.fixture
def x():
    return torch.randn(2, 5, C, 4, 6, dtype=torch.float64)


@pytest.fixture
def rnn():
    return ConvLSTM(C, 4).double()


def test_a_kernel_of_one_pixel_is_an_lstm_of_every_pixel(x):
    rnn, lstm = ConvLSTM(C, 4, kernel_size=1).double(), TemporalRNN(C, 4, cell="lstm").double()
    weights = {"weight_ih_l0": rnn.input.weight, "weight_hh_l0": rnn.hidden.weight, "bias_ih_l0": rnn.input.bias}
    lstm.load_state_dict({name: w.flatten(1) if w.dim() > 1 else w for name, w in weights.items()}, strict=False)
    nn.init.zeros_(lstm.bias_hh_l0)
    pixels = x.flatten(3).transpose(2, 3)  # [B, T, H * W, C]
    torch.testing.assert_close(rnn(x).flatten(3).transpose(2, 3), lstm(pixels))


def test_the_past_spreads_by_one_kernel_a_frame(rnn, x):
    other = x.clone()
    other[:, 0, :, 0, 0] += 1
    changed = (rnn(other) - rnn(x)).abs().amax(dim=(0, 2)) > 0  # [T, H, W]
    for t in range(3):
        reach = torch.zeros(4, 6, dtype=torch.bool)
        reach[: t + 2, : t + 2] = True
        assert torch.equal(changed[t], reach)


def test_two_clips_in_a_batch_equal_the_clips_alone(rnn, x):
    torch.testing.assert_close(rnn(x), torch.cat([rnn(clip[None]) for clip in x]))


def test_future_frames_do_not_leak(rnn, x):
    later = x.clone()
    later[:, 3:] += 1
    assert torch.equal(rnn(later)[:, :3], rnn(x)[:, :3])
    assert not torch.allclose(rnn(later)[:, 3:], rnn(x)[:, 3:])


def test_frame_by_frame_equals_the_clip_at_once(rnn, x):
    state, parts = None, []
    for t in range(5):
        y, state = rnn.scan(x[:, t : t + 1], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), rnn(x))
    torch.testing.assert_close(state, rnn.scan(x)[1])


def test_gradients_are_right(rnn, x):
    assert torch.autograd.gradcheck(rnn, x[:1, :3].requires_grad_(), fast_mode=True)


def test_it_compiles_into_one_graph(x):
    rnn, x = ConvLSTM(C), x.float()
    torch._dynamo.reset()
    compiled = torch.compile(rnn, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), rnn(x), atol=1e-5, rtol=1e-4)


def test_bfloat16_autocast_stays_close_to_float32(x):
    rnn, x = ConvLSTM(C), x.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = rnn(x)
    assert (y.float() - rnn(x)).norm() < 0.02 * rnn(x).norm()


def test_wrong_input_is_a_clear_error(rnn, x):
    with pytest.raises(ValueError, match="Expected 'kernel_size' to be odd, so that maps keep their size .got 4"):
        ConvLSTM(C, kernel_size=4)
    with pytest.raises(ValueError, match=r"Expected 'x' of shape \[B, T, 3, H, W\] \(got \[2, 5, 2, 4, 6\]\)"):
        rnn(x[:, :, :2])
    with pytest.raises(ValueError, match=r"two tensors of shape \[2, 4, 4, 6\] \(got \[\[2, 4, 4, 5\]"):
        rnn.scan(x, rnn.scan(x[..., :5])[1])
