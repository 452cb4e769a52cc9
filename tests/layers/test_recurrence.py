import pytest
import torch
from torch import library, nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_video.layers import TemporalRNN
from pyg_video.layers.recurrence import gru, lstm

B, T, N, D, C = 2, 5, 3, 6, 4
OPERATORS = {"gru": gru, "lstm": lstm}
TORCHS = {"gru": nn.GRU, "lstm": nn.LSTM}


def arguments(cell, mask=None):
    """Input, first states, weights and biases, in float64, and the mask."""
    torch.manual_seed(0)
    states = [torch.randn(B, N, C) for _ in range(1 if cell == "gru" else 2)]
    tensors = [torch.randn(B * T, N, D), *states, *TORCHS[cell](D, C).parameters()]
    return [x.detach().double().requires_grad_() for x in tensors] + [mask]


def torchs(cell, x, *rest):
    """The states as torch computes them, every node a sequence of its own."""
    *states, w_ih, w_hh, b_ih, b_hh, _ = rest
    sequence = x.view(B, T, N, D).transpose(0, 1).flatten(1, 2)
    states = [h.reshape(1, B * N, C) for h in states]
    weights = [w_ih, w_hh, b_ih, b_hh]
    y, *_ = (
        torch.gru(sequence, *states, weights, True, 1, 0.0, True, False, False)
        if cell == "gru"
        else torch.lstm(sequence, states, weights, True, 1, 0.0, True, False, False)
    )
    return y.view(T, B, N, C).transpose(0, 1)


@pytest.mark.parametrize("cell", OPERATORS)
def test_states_and_gradients_are_torchs(cell):
    given = arguments(cell)
    ours, theirs = OPERATORS[cell](*given)[0], torchs(cell, *given)
    torch.testing.assert_close(ours, theirs)
    cotangent = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad(ours, given[:-1], cotangent), torch.autograd.grad(theirs, given[:-1], cotangent)
    )


@pytest.mark.parametrize("cell", OPERATORS)
def test_gradients_are_right_where_nodes_are_missing(cell):
    given = arguments(cell, torch.rand(B, T, N) > 0.4)
    outputs = 1 if cell == "gru" else 2  # the cell's states have gradients as well
    assert torch.autograd.gradcheck(lambda *x: OPERATORS[cell](*x)[:outputs], given)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of the check itself
@pytest.mark.parametrize("cell", OPERATORS)
@pytest.mark.parametrize("masked", [False, True])
def test_the_operator_is_registered_as_torch_wants_it(cell, masked):
    library.opcheck(OPERATORS[cell], arguments(cell, torch.rand(B, T, N) > 0.4 if masked else None))


@pytest.mark.parametrize("cell", OPERATORS)
def test_a_second_derivative_is_refused(cell):
    given = arguments(cell)
    (grad,) = torch.autograd.grad(OPERATORS[cell](*given)[0].sum(), given[:1], create_graph=True)
    with pytest.raises(RuntimeError, match=f"{cell}_backward"):
        grad.sum().backward()


@pytest.mark.parametrize("cell", OPERATORS)
def test_products_in_half_precision_keep_states_in_single(cell):
    rnn, x = TemporalRNN(8, cell=cell), torch.randn(2, 50, 3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = rnn.scan(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, rnn(x), atol=0.02, rtol=0)
    half = TemporalRNN(8, cell=cell).bfloat16()
    half.load_state_dict(rnn.state_dict())
    y, state = half.scan(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert all(s.dtype == torch.float32 for s in ([state] if cell == "gru" else state))
    torch.testing.assert_close(y.float(), rnn(x), atol=0.03, rtol=0)


@pytest.mark.parametrize("cell", OPERATORS)
def test_torchs_counter_knows_the_products(cell):
    given = arguments(cell)
    forward = 2 * B * T * N * sum(weight.numel() for weight in given if weight is not None and weight.dim() == 2)
    with FlopCounterMode(display=False) as counter:
        y = OPERATORS[cell](*given)[0]
    assert counter.get_total_flops() == forward
    with FlopCounterMode(display=False) as counter:
        y.sum().backward()
    assert counter.get_total_flops() == 2 * forward


@pytest.mark.slow
@pytest.mark.parametrize("cell", OPERATORS)
def test_a_compiled_training_step_takes_any_number_of_clips_and_frames(cell):
    linear, rnn = nn.Linear(D, D), TemporalRNN(D, cell=cell)

    def net(x):
        return rnn(linear(x).unflatten(0, (2, x.size(0) // 2)))

    compiled = torch.compile(net, fullgraph=True)
    for num_frames in (T, T + 1, T + 3):
        x = torch.randn(2 * num_frames, N, D, requires_grad=True)
        (got,) = torch.autograd.grad(compiled(x).square().sum(), x)
        (want,) = torch.autograd.grad(net(x).square().sum(), x)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)
