import pytest
import torch

from pyg_video.checkpoints.published.rstg_layers import Variables, linear_of, lstm_of, norm_before_graph_of, set_value
from pyg_video.layers import BatchNorm


def test_a_kernel_is_applied_on_the_right():
    kernel, bias, x = torch.randn(1, 1, 3, 5), torch.randn(5), torch.randn(2, 3)
    layer = linear_of(Variables({"conv/kernel": kernel, "conv/bias": bias}, "a net"), "conv")
    torch.testing.assert_close(layer(x), x @ kernel[0, 0] + bias)


def test_the_gates_of_a_flat_lstm_are_torchs():
    C, flat = 4, torch.randn(8 * 16 + 32)
    lstm = lstm_of(Variables({"cudnn_lstm/opaque_kernel": flat}, "a net"), "cudnn_lstm")
    torchs = torch.nn.LSTM(C, C)
    torchs.load_state_dict(lstm.state_dict())
    assert torch.equal(torchs.weight_hh_l0.flatten(), flat[64:128])
    assert torch.equal(torchs.bias_hh_l0, flat[-16:])


def test_no_variables_for_a_norm_make_no_norm():
    x = torch.randn(1, 2, 3, 4)
    assert torch.equal(norm_before_graph_of(Variables({}, "a net"), 4)(x), x)


def test_running_statistics_load():
    values = {f"batch_normalization/{n}": torch.rand(4) for n in ("gamma", "beta", "moving_mean", "moving_variance")}
    norm = norm_before_graph_of(Variables(values, "a net"), 4)
    assert isinstance(norm, BatchNorm)
    assert torch.equal(norm.running_var, values["batch_normalization/moving_variance"])


def test_a_value_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"Expected a variable of shape \[2\] \(got \[3\]\)"):
        set_value(torch.nn.Parameter(torch.zeros(2)), torch.zeros(3))


@pytest.fixture
def two():
    return Variables({"a/kernel": torch.zeros(2, 3), "a/bias": torch.zeros(3)}, "the net")


def test_every_variable_has_to_be_used(two):
    two.take("a/kernel")
    with pytest.raises(ValueError, match="Expected exactly the weights of the net .got them with a/bias."):
        two.check_used()
    two.take("a/bias")
    two.check_used()


def test_looking_at_a_shape_does_not_use_a_variable(two):
    assert two["a/kernel"].shape == (2, 3)
    two.take("a/bias", (3,))
    with pytest.raises(ValueError, match="a/kernel"):
        two.check_used()


def test_a_missing_name_and_a_wrong_shape_are_told(two):
    with pytest.raises(ValueError, match="weights of the net .got them without b.; known are a/bias, a/kernel"):
        two.take("b")
    with pytest.raises(ValueError, match=r"Expected 'a/bias' of the net of shape \[4\] \(got \[3\]\)"):
        two.take("a/bias", (4,))
